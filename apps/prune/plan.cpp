/// The space of networks, told before any training.
#include <algorithm>

#include "apps/prune/candidates.h"
#include "apps/prune/run.h"
#include "kernels/error.h"
#include "pruning/cost.h"
#include "pruning/depth.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

json describe(const nn::Graph& graph, std::int64_t side, double ratio) {
  const pruning::Cost cost = pruning::count_cost(graph, side);
  return {{"blocks", graph.blocks.size()},
          {"side", side},
          {"macs", cost.macs},
          {"params", cost.params},
          {"ratio", ratio}};
}

}  // namespace

void plan(PruneRun& run) {
  const json& result = run.journal.run("plan", [&]() -> json {
    const nn::Graph& graph = run.original.network.graph();
    const std::vector<double> no_importance(graph.blocks.size(), 0.0);
    const double full = counted_cost(run.options.cost, graph, run.original.info.side);
    const std::vector<std::int64_t> blocks = block_options(run), sides = side_options(run);
    const double least_w = run.options.prune_width ? run.options.floor : 1.0;
    const auto network = [&](std::int64_t keep, double w, std::int64_t side) {
      const nn::Graph cut = cut_to(run, no_importance, keep, w).network.graph();
      const double d = static_cast<double>(keep) / static_cast<double>(blocks.back());
      const double r = static_cast<double>(side) / static_cast<double>(sides.back());
      const double ratio = run.options.cost == CostKind::paper
                               ? pruning::paper_cost(d, w, r)
                               : counted_cost(run.options.cost, cut, side) / full;
      return describe(cut, side, ratio);
    };
    const json smallest = network(blocks.front(), least_w, sides.front());
    const json middle =
        network(blocks[blocks.size() / 2], (1 + least_w) / 2, sides[sides.size() / 2]);
    const double least = smallest.at("ratio").get<double>();
    require<TargetError>(
        least <= run.options.target,
        "the target keeps {:.4f} of the cost ({}), but the smallest network of this "
        "space still has {:.4f}; ask for less, lower --floor or allow more --dimensions",
        run.options.target, to_string(run.options.cost), least);
    return {{"smallest", smallest},
            {"middle", middle},
            {"original", describe(graph, run.original.info.side, 1.0)},
            {"block_options", blocks},
            {"side_options", sides}};
  });
  for (const char* name : {"smallest", "middle", "original"}) {
    const json& n = result.at(name);
    run.callbacks.say(
        fmt::format("{:<9} {:>3} blocks, {:>3} pixels, {:>9.3f} M MACs, {:>8.3f} M "
                    "parameters, {:.4f} of the cost",
                    name, n.at("blocks").get<std::int64_t>(), n.at("side").get<std::int64_t>(),
                    n.at("macs").get<double>() / 1e6, n.at("params").get<double>() / 1e6,
                    n.at("ratio").get<double>()));
  }
  run.callbacks.say(fmt::format("the target, {:.4f} of the cost, can be met", run.options.target));
}

}  // namespace trifold::apps
