/// Collecting data points: the network is pruned and fine-tuned along one dimension at a time.
#include <algorithm>
#include <cmath>

#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "kernels/error.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/probe.h"
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

// The fractions that `rounds` equal steps lead to, from 1 (not included) down to `last`.
std::vector<double> steps_down(std::int64_t rounds, double last) {
  std::vector<double> values;
  for (std::int64_t i = 1; i <= rounds; ++i) {
    values.push_back(1.0 - (1.0 - last) * static_cast<double>(i) / static_cast<double>(rounds));
  }
  return values;
}

// Where the points along a dimension end, going down its options, `count` in all: at the first that
// meets the target alone, or at the last where none does. A run along one dimension goes a little
// further, so that the answer lies inside of what it measures.
std::size_t end_of(const PruneRun& run, std::size_t count,
                   const std::function<double(std::size_t)>& cost_ratio) {
  const PruneOptions& o = run.options;
  const int dimensions = int{o.prune_depth} + int{o.prune_width} + int{o.prune_resolution};
  const double goal = dimensions == 1 ? 0.9 * o.target : o.target;
  for (std::size_t i = count; i-- > 1;) {
    if (cost_ratio(i) <= goal) return i;
  }
  return 0;
}

// Cost of a cut of the original as a fraction of the original's.
double ratio_of(const PruneRun& run, const pruning::CutPlan& plan, std::int64_t side) {
  const nn::Network& network = run.original.network;
  return counted_cost(run.options.cost, pruning::cut(network, plan).network.graph(), side) /
         counted_cost(run.options.cost, network.graph(), run.original.info.side);
}

// The options nearest to the wanted fractions of the last one: descending, each once, without the
// last itself.
std::vector<std::int64_t> nearest_options(const std::vector<std::int64_t>& options,
                                          const std::vector<double>& fractions) {
  std::vector<std::int64_t> chosen;
  for (double fraction : fractions) {
    const double wanted = fraction * static_cast<double>(options.back());
    const std::int64_t nearest = *std::ranges::min_element(options, {}, [&](std::int64_t option) {
      return std::abs(static_cast<double>(option) - wanted);
    });
    if (nearest < (chosen.empty() ? options.back() : chosen.back())) chosen.push_back(nearest);
  }
  return chosen;
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
  t.network = std::move(nn::load_model(file_of(run, step), {}, run.ex.device).network);
  point.at("side").get_to(t.side);
  point.at("d").get_to(t.d);
  point.at("w").get_to(t.w);
  point.at("r").get_to(t.r);
}

void collect_depth(PruneRun& run, Traveller t) {
  const std::vector<std::int64_t> options = block_options(run);
  const auto all = static_cast<double>(options.back());
  const std::vector<double> no_importance(static_cast<std::size_t>(options.back()), 0.0);
  const std::size_t end = end_of(run, options.size(), [&](std::size_t i) {
    if (run.options.cost == CostKind::paper) return static_cast<double>(options[i]) / all;
    return ratio_of(
        run, {.keep_block = pruning::select_blocks(t.network.graph(), no_importance, options[i])},
        t.side);
  });
  const double last = static_cast<double>(options[end]) / all;
  std::int64_t round = 0;
  for (std::int64_t keep : nearest_options(options, steps_down(run.options.rounds, last))) {
    round_step(run, "depth", ++round, t, 0.0, [&] {
      const std::vector<double> importance =
          pruning::probe_blocks(t.network, run.train, run.held_out, run.original.info.normalisation,
                                t.side, run.ex, probe_options(run))
              .importance;
      const pruning::CutPlan plan{.keep_block =
                                      pruning::select_blocks(t.network.graph(), importance, keep)};
      t.network = std::move(pruning::cut(t.network, plan).network);
      t.d = static_cast<double>(keep) / all;
    });
  }
}

void collect_width(PruneRun& run, Traveller t) {
  const pruning::WidthLimits limits = width_limits(run);
  const auto select = [&](const nn::Network& network, double asked) {
    return pruning::select_units(network, run.options.width_mode, asked, limits);
  };
  const std::vector<WidthOption> options = width_options(run, run.original.network);
  const std::size_t end = end_of(run, options.size(), [&](std::size_t i) {
    if (run.options.cost == CostKind::paper) return options[i].kept * options[i].kept;
    return ratio_of(run, {.units = select(run.original.network, options[i].asked)}, t.side);
  });
  std::int64_t round = 0;
  for (double w : steps_down(run.options.rounds, options[end].kept)) {
    round_step(run, "width", ++round, t, run.options.bn_l1, [&] {
      // Rounding leaves only some shares of the channels: the nearest that is less than all.
      std::vector<WidthOption> here = width_options(run, t.network);
      if (here.size() > 1) here.pop_back();
      const WidthOption nearest = *std::ranges::min_element(
          here, {}, [&](const WidthOption& option) { return std::abs(option.kept * t.w - w); });
      const pruning::UnitSelection selection = select(t.network, nearest.asked);
      t.w *= selection.kept_fraction();
      t.network = std::move(pruning::cut(t.network, {.units = selection}).network);
    });
  }
}

void collect_resolution(PruneRun& run, Traveller t) {
  const std::vector<std::int64_t> options = side_options(run);
  const auto full = static_cast<double>(options.back());
  const std::size_t end = end_of(run, options.size(), [&](std::size_t i) {
    const double r = static_cast<double>(options[i]) / full;
    return run.options.cost == CostKind::paper ? r * r : ratio_of(run, {}, options[i]);
  });
  const double last = static_cast<double>(options[end]) / full;
  std::int64_t round = 0;
  for (std::int64_t side : nearest_options(options, steps_down(run.options.rounds, last))) {
    round_step(run, "resolution", ++round, t, 0.0, [&] {
      t.side = side;
      t.r = static_cast<double>(side) / full;
    });
  }
}

}  // namespace

void collect(PruneRun& run) {
  run.journal.at("plan");
  std::filesystem::create_directories(run.folder / "points");
  // The original is trained by the schedule of the other points too, so that they compare.
  Traveller base{run.original.network.clone(), run.original.info.side};
  round_step(run, "original", 0, base, 0.0, [] {});
  const auto from_base = [&] { return Traveller{base.network.clone(), base.side}; };
  if (run.options.prune_depth) collect_depth(run, from_base());
  if (run.options.prune_width) collect_width(run, from_base());
  if (run.options.prune_resolution) collect_resolution(run, from_base());
}

}  // namespace trifold::apps
