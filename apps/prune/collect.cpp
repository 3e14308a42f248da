/// Collecting data points: the network is pruned and fine-tuned along one dimension at a time.
#include <algorithm>

#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "kernels/runtime/error.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/space.h"
#include "pruning/surgery.h"
#include "pruning/width.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

// A network on its way along one dimension.
struct Traveller {
  nn::Network network;
  std::int64_t side;
  double d = 1, w = 1, r = 1;
};

std::filesystem::path file_of(const PruneRun& run, const std::string& step) {
  std::string name = step;
  std::ranges::replace(name, '/', '-');
  return run.folder / "points" / (name + ".safetensors");
}

// Fine-tunes the traveller with the one schedule of all data points and returns the point's record.
// The network is stored, so that the next round can start from it in a resumed run.
json measure(PruneRun& run, const std::string& step, const std::string& dimension,
             std::int64_t round, Traveller& t, double bn_l1) {
  const pruning::Cost cost = pruning::count_cost(t.network.graph(), t.side);
  json point = {{"dimension", dimension},
                {"round", round},
                {"d", t.d},
                {"w", t.w},
                {"r", t.r},
                {"side", t.side},
                {"macs", cost.macs},
                {"params", cost.params}};
  point["raw"] = held_out_top1(run, t.network, t.side);
  reestimate(run, t.network, t.side);
  point["reestimated"] = held_out_top1(run, t.network, t.side);
  point["top1"] = naming_rate("--round-lr", [&] {
    point["curve"] = train(run, step, t.network, run.round_train, t.side, run.options.round_epochs,
                           run.options.round_lr, bn_l1, false)["curve"];
    return held_out_top1(run, t.network, t.side);
  });
  nn::ModelInfo info = run.original.info;
  info.side = t.side;
  nn::save_model(file_of(run, step), {t.network.clone(), std::move(info)});
  run.callbacks.say(fmt::format(
      "{:<22} d {:.3f}  w {:.3f}  r {:.3f}  {:6.2f} M MACs  held-out top-1 {:.2f} -> {:.2f} -> "
      "{:.2f} %",
      step, t.d, t.w, t.r, static_cast<double>(cost.macs) / 1e6, point["raw"].get<double>(),
      point["reestimated"].get<double>(), point["top1"].get<double>()));
  return point;
}

// Runs one round unless the journal has it; `cut` changes the traveller's network first. Either way
// the traveller leaves as the stored network.
void round_step(PruneRun& run, const std::string& dimension, std::int64_t round, Traveller& t,
                double bn_l1, const std::function<void()>& cut) {
  const std::string step = fmt::format("collect/{}-{}", dimension, round);
  const json& point = run.journal.run(step, [&] {
    cut();
    return measure(run, step, dimension, round, t, bn_l1);
  });
  run.times.save();
  t.network = std::move(nn::load_model(file_of(run, step), {}, run.ex.device).network);
  point.at("side").get_to(t.side);
  point.at("d").get_to(t.d);
  point.at("w").get_to(t.w);
  point.at("r").get_to(t.r);
}

void collect_depth(PruneRun& run, const pruning::Space& space, Traveller t) {
  const auto all = static_cast<double>(space.blocks().back());
  std::int64_t round = 0;
  for (std::int64_t keep : space.depth_points()) {
    round_step(run, "depth", ++round, t, 0.0, [&] {
      const pruning::CutPlan plan{
          .keep_block = pruning::select_blocks(t.network.graph(),
                                               measure_blocks(run, t.network, t.side), keep)};
      t.network = std::move(pruning::cut(t.network, plan).network);
      t.d = static_cast<double>(keep) / all;
    });
  }
}

void collect_width(PruneRun& run, const pruning::Space& space, Traveller t) {
  // The floors are shares of the original's groups, in every round.
  pruning::WidthLimits limits = space.options().limits;
  limits.group_floors = pruning::group_floors(
      pruning::units_of(run.original.network.graph(), space.options()), limits);
  std::int64_t round = 0;
  for (double w : space.width_points()) {
    // Where channels are rounded, a round may have gone as far as the next one was to go.
    if (w > t.w - 1e-9) continue;
    round_step(run, "width", ++round, t, run.options.bn_l1, [&] {
      const pruning::Units units = pruning::units_of(t.network.graph(), space.options());
      const pruning::UnitSelection selection =
          pruning::nearest_selection(units, unit_scores(run)(t.network, units), w / t.w, limits);
      t.w *= selection.kept_fraction();
      t.network = std::move(pruning::cut(t.network, {.units = selection}).network);
    });
  }
}

void collect_resolution(PruneRun& run, const pruning::Space& space, Traveller t) {
  const auto full = static_cast<double>(space.sides().back());
  std::int64_t round = 0;
  for (std::int64_t side : space.resolution_points()) {
    round_step(run, "resolution", ++round, t, 0.0, [&] {
      t.side = side;
      t.r = static_cast<double>(side) / full;
    });
  }
}

}  // namespace

void collect(PruneRun& run) {
  const pruning::Space space = space_of(run, block_importance(run));
  std::filesystem::create_directories(run.folder / "points");
  // The original is trained by the schedule of the other points too, so that they compare.
  Traveller base{run.original.network.clone(), run.original.info.side};
  round_step(run, "original", 0, base, 0.0, [] {});
  const auto from_base = [&] { return Traveller{base.network.clone(), base.side}; };
  collect_depth(run, space, from_base());
  collect_width(run, space, from_base());
  collect_resolution(run, space, from_base());
}

}  // namespace trifold::apps
