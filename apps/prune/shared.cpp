#include <algorithm>
#include <chrono>
#include <cmath>

#include "apps/prune/run.h"
#include "kernels/error.h"
#include "nn/train/evaluate.h"
#include "pruning/cost.h"
#include "pruning/depth.h"

namespace trifold::apps {

using nlohmann::json;

double counted_cost(CostKind kind, const nn::Graph& graph, std::int64_t side) {
  const pruning::Cost cost = pruning::count_cost(graph, side);
  return static_cast<double>(kind == CostKind::params ? cost.params : cost.macs);
}

std::vector<std::int64_t> side_options(const PruneRun& run) {
  const std::int64_t full = run.original.info.side;
  if (!run.options.prune_resolution) return {full};
  std::vector<std::int64_t> sides;
  // Below half of the side a network of small images has nothing left to look at.
  for (std::int64_t side = full; 2 * side >= full; side -= run.options.resolution_step) {
    sides.push_back(side);
  }
  std::ranges::reverse(sides);
  return sides;
}

std::vector<std::int64_t> block_options(const PruneRun& run) {
  const nn::Graph& graph = run.original.network.graph();
  const auto all = static_cast<std::int64_t>(graph.blocks.size());
  std::vector<std::int64_t> counts;
  const std::int64_t least = run.options.prune_depth && all > 0 ? pruning::min_depth(graph) : all;
  for (std::int64_t count = least; count <= all; ++count) counts.push_back(count);
  return counts;
}

std::vector<WidthOption> width_options(const PruneRun& run, const nn::Network& network) {
  std::vector<WidthOption> options;
  constexpr std::int64_t steps = 100;
  for (std::int64_t i = run.options.prune_width ? 1 : steps; i < steps; ++i) {
    const double asked = static_cast<double>(i) / static_cast<double>(steps);
    const double kept =
        pruning::select_units(network, run.options.width_mode, asked, width_limits(run))
            .kept_fraction();
    if (kept < 1.0 && (options.empty() || kept > options.back().kept)) {
      options.push_back({asked, kept});
    }
  }
  options.push_back({1.0, 1.0});
  return options;
}

pruning::WidthLimits width_limits(const PruneRun& run) {
  return {.floor_fraction = run.options.floor,
          .round_to = run.options.round_to,
          .include = run.options.include,
          .exclude = run.options.exclude};
}

pruning::ProbeOptions probe_options(const PruneRun& run) {
  return {.images = run.options.probe_images, .seed = run.options.training.seed};
}

json train(PruneRun& run, const std::string& step, nn::Network& network, const nn::Dataset& data,
           std::int64_t side, std::int64_t epochs, double lr, double bn_l1,
           bool judge_every_epoch) {
  nn::TrainOptions options = run.options.training;
  options.epochs = epochs;
  options.lr = lr;
  options.bn_l1 = bn_l1;
  nn::Trainer trainer(network, data, run.original.info.normalisation, side, options, run.ex);
  const std::filesystem::path checkpoint = run.folder / "checkpoint.safetensors";
  // The checkpoint's note is the curve so far, under the name of the step that it belongs to.
  json curve = json::array();
  const auto save = [&] {
    trainer.save(checkpoint, json{{"step", step}, {"curve", curve}}.dump());
  };
  if (std::filesystem::exists(checkpoint)) {
    const engine::SafetensorsFile file = engine::read_safetensors(checkpoint);
    const auto position = file.metadata.find("trifold.position");
    require<FileError>(position != file.metadata.end(), "{}: this is not a checkpoint; remove it",
                       checkpoint.string());
    const json note =
        json::parse(json::parse(position->second, nullptr, false).value("note", std::string("{}")),
                    nullptr, false);
    if (note.is_object() && note.value("step", "") == step) {
      trainer.restore(checkpoint);
      curve = note.at("curve");
    }
  }

  auto saved = std::chrono::steady_clock::now();
  while (!trainer.done()) {
    const auto result = trainer.run_epoch([&](const nn::Progress& progress) {
      const bool go_on = run.callbacks.after_batch(step, progress);
      const auto now = std::chrono::steady_clock::now();
      if (go_on && now - saved > std::chrono::minutes(1)) {
        save();
        saved = now;
      }
      return go_on;
    });
    if (!result) {
      save();
      throw Stopped{};
    }
    json entry = {{"epoch", result->epoch},
                  {"loss", result->loss},
                  {"top1", result->top1},
                  {"lr", result->lr}};
    if (judge_every_epoch) entry["held_out"] = held_out_top1(run, trainer.averaged(), side);
    curve.push_back(std::move(entry));
    save();
    saved = std::chrono::steady_clock::now();
  }
  if (options.ema_decay > 0) network = trainer.averaged();
  return {{"curve", std::move(curve)}};
}

double held_out_top1(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  return nn::evaluate(network, run.held_out, run.original.info.normalisation, side, run.ex).top1();
}

void reestimate(const PruneRun& run, nn::Network& network, std::int64_t side) {
  nn::reestimate_batch_norm(network, run.train, run.original.info.normalisation, side, run.ex,
                            run.options.training.seed, run.options.bn_batches);
}

}  // namespace trifold::apps
