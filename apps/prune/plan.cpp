/// The space of networks, told before any training.
#include <algorithm>

#include "apps/prune/forecast.h"
#include "apps/prune/latency.h"
#include "apps/prune/run.h"
#include "kernels/runtime/error.h"
#include "pruning/cost.h"
#include "pruning/criterion.h"
#include "pruning/width.h"

namespace trifold::apps {
namespace {

NetworkSize describe(pruning::Space& space, std::int64_t d, std::int64_t w, std::int64_t r) {
  const std::int64_t side = space.sides()[static_cast<std::size_t>(r)];
  const nn::Graph& graph = space.graph(d, w);
  const pruning::Cost cost = pruning::count_cost(graph, side);
  return {.blocks = std::ssize(graph.blocks),
          .side = side,
          .macs = cost.macs,
          .params = cost.params,
          .ratio = space.ratio(d, w, r)};
}

PlanResult make_plan(PruneRun& run) {
  const PruneOptions& o = run.options;
  const BlockImportance importance =
      measure_blocks(run, run.original.network, run.original.info.side);
  pruning::Space space = space_of(run, run.original.network, importance.mean);
  const pruning::Space::Cheapest& least = space.cheapest();
  require<TargetError>(
      least.ratio <= o.target,
      "the target can't be met: it keeps {:.4f} of the cost ({}), but the smallest network of "
      "this space still has {:.4f}; give a higher --target, a lower --floor, --round-to or "
      "--resolution-step, or allow more --dimensions",
      o.target, o.cost, least.ratio);
  check_determined(o, space.points());
  const std::int64_t d = std::ssize(space.blocks()), w = std::ssize(space.widths()),
                     r = std::ssize(space.sides());
  std::optional<LatencyRecord> latency;
  if (run.latency) latency = record_latency(run);
  return {.smallest = describe(space, least.depth, least.width, least.resolution),
          .middle = describe(space, d / 2, w / 2, r / 2),
          .original = describe(space, d - 1, w - 1, r - 1),
          .block_options = space.blocks(),
          .side_options = space.sides(),
          .points = {.depth = space.depth_points(),
                     .width = space.width_points(),
                     .resolution = space.resolution_points()},
          .importance = importance.mean,
          .importance_spread = importance.spread,
          .target = run.options.target,
          .latency = latency,
          .schedule = run.schedule};
}

// Channels that stay, since the criterion goes by batch norms, and none scales them: those between
// two linear layers, as of a squeeze-and-excitation block.
void tell_of_unjudged(const PruneRun& run) {
  const PruneOptions& o = run.options;
  if (!o.prune_width || pruning::channel_criterion(o.criterion)->judges_without_norm()) return;
  const nn::Graph& graph = run.original.network.graph();
  const std::vector<std::string> judged = pruning::find_units(graph, o.width_mode).groups;
  std::vector<std::string> stay = pruning::find_units(graph, o.width_mode, true).groups;
  std::erase_if(stay, [&](const std::string& group) {
    return std::ranges::find(judged, group) != judged.end();
  });
  if (stay.empty()) return;
  run.callbacks.say(fmt::format(
      "the channels of {} layers stay, the first of them '{}': no batch norm scales them, which is "
      "what --criterion {} goes by; --criterion l1 prunes them, too",
      stay.size(), stay.front(), o.criterion));
}

}  // namespace

void plan(PruneRun& run) {
  const PlanResult result = run.journal.run<PlanResult>("plan", [&] { return make_plan(run); });
  if (result.latency) run.callbacks.say(told_of_latency(*result.latency));
  const std::pair<const char*, NetworkSize> networks[] = {
      {"smallest", result.smallest}, {"middle", result.middle}, {"original", result.original}};
  for (const auto& [name, n] : networks) {
    run.callbacks.say(fmt::format(
        "{:<9} {:>3} blocks, {:>3} pixels, {:>9.3f} M MACs, {:>8.3f} M parameters, {:.4f} of the "
        "cost",
        name, n.blocks, n.side, static_cast<double>(n.macs) / 1e6,
        static_cast<double>(n.params) / 1e6, n.ratio));
  }
  tell_of_unjudged(run);
  if (result.schedule) {
    run.callbacks.say(fmt::format(
        "--budget {:g} allows {} epochs of {} images a data point and {} of fine-tuning",
        run.options.budget_hours, result.schedule->round_epochs, run.round_train.count,
        result.schedule->finetune_epochs));
  }
  run.callbacks.say(fmt::format(
      "the target, {:.4f} of the cost, can be met; data points besides the original: {} in depth, "
      "{} in width, {} in resolution, {} in several",
      run.options.target, result.points.depth.size(), result.points.width.size(),
      result.points.resolution.size(), run.options.off_axes));
  if (run.workers == 1) return;
  pruning::Space space = space_of(run, run.original.network, result.importance);
  forecast(run, space);
}

}  // namespace trifold::apps
