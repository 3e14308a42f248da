/// The space of networks, told before any training.
#include <algorithm>

#include "apps/prune/run.h"
#include "kernels/runtime/error.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

json describe(pruning::Space& space, std::int64_t d, std::int64_t w, std::int64_t r) {
  const std::int64_t side = space.sides()[static_cast<std::size_t>(r)];
  const nn::Graph& graph = space.graph(d, w);
  const pruning::Cost cost = pruning::count_cost(graph, side);
  return {{"blocks", graph.blocks.size()},
          {"side", side},
          {"macs", cost.macs},
          {"params", cost.params},
          {"ratio", space.ratio(d, w, r)}};
}

}  // namespace

void plan(PruneRun& run) {
  const json& result = run.journal.run("plan", [&]() -> json {
    const std::vector<double> importance =
        measure_blocks(run, run.original.network, run.original.info.side);
    pruning::Space space = space_of(run, importance);
    const pruning::Space::Cheapest& least = space.cheapest();
    require<TargetError>(
        least.ratio <= run.options.target,
        "the target can't be met: it keeps {:.4f} of the cost ({}), but the smallest network of "
        "this space still has {:.4f}; give a higher --target, a lower --floor, --round-to or "
        "--resolution-step, or allow more --dimensions",
        run.options.target, run.options.cost, least.ratio);
    check_determined(run.options, space.points());
    const std::int64_t d = std::ssize(space.blocks()), w = std::ssize(space.widths()),
                       r = std::ssize(space.sides());
    return {{"smallest", describe(space, least.depth, least.width, least.resolution)},
            {"middle", describe(space, d / 2, w / 2, r / 2)},
            {"original", describe(space, d - 1, w - 1, r - 1)},
            {"block_options", space.blocks()},
            {"side_options", space.sides()},
            {"points",
             {{"depth", space.depth_points()},
              {"width", space.width_points()},
              {"resolution", space.resolution_points()}}},
            {"importance", importance}};
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
  const json& points = result.at("points");
  run.callbacks.say(fmt::format(
      "the target, {:.4f} of the cost, can be met; data points besides the original: {} in depth, "
      "{} in width, {} in resolution",
      run.options.target, points.at("depth").size(), points.at("width").size(),
      points.at("resolution").size()));
}

}  // namespace trifold::apps
