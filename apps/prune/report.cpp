/// The report of a run, made from its journal.
#include "apps/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "engine/file_io.h"
#include "nn/train/evaluate.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double share(const json& percent) { return percent.get<double>() / 100.0; }

report::Ratios ratios(const json& at) {
  return {at.at("d").get<double>(), at.at("w").get<double>(), at.at("r").get<double>()};
}

report::SummaryRow summary_row(const char* name, const json& judged) {
  report::SummaryRow row;
  row.network = name;
  row.macs = judged.at("macs").get<std::int64_t>();
  row.params = judged.at("params").get<std::int64_t>();
  row.held_out_top1 = share(judged.at("held_out"));
  row.test_top1 = share(judged.at("test"));
  return row;
}

std::vector<report::LayerRow> layer_rows(const nn::Graph& before, std::int64_t side_before,
                                         const nn::Graph& after, std::int64_t side_after) {
  const pruning::Cost cost_before = pruning::count_cost(before, side_before);
  const pruning::Cost cost_after = pruning::count_cost(after, side_after);
  const auto extents_before = nn::infer_extents(before, side_before);
  const auto extents_after = nn::infer_extents(after, side_after);
  const auto shape = [](const nn::Extent& e) { return fmt::format("{} x {} x {}", e.c, e.h, e.w); };
  std::vector<report::LayerRow> rows;
  for (std::size_t i = 0; i < before.nodes.size(); ++i) {
    if (cost_before.nodes[i].macs == 0) continue;
    const nn::Node& node = before.nodes[i];
    report::LayerRow row;
    row.name = node.name;
    row.op = op_name(node.op);
    row.output_before = shape(extents_before[i]);
    row.channels_before = extents_before[i].c;
    row.macs_before = cost_before.nodes[i].macs;
    row.params_before = cost_before.nodes[i].params;
    const auto survivor = std::ranges::find(after.nodes, node.name, &nn::Node::name);
    row.removed = survivor == after.nodes.end();
    if (!row.removed) {
      const auto j = static_cast<std::size_t>(survivor - after.nodes.begin());
      row.output_after = shape(extents_after[j]);
      row.channels_after = extents_after[j].c;
      row.macs_after = cost_after.nodes[j].macs;
      row.params_after = cost_after.nodes[j].params;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// The report speaks of the file that its reader will use, so that is what has to hold.
void verify(const PruneRun& run, const nn::Model& model, const json& recorded) {
  const double found = held_out_top1(run, model.network, model.info.side);
  const double expected = recorded.at("held_out").get<double>();
  // Another processor adds in another order, which may tip a close decision or two.
  const double tolerance = 0.1 + 100.0 / static_cast<double>(run.held_out.count);
  require<VerificationError>(
      std::abs(found - expected) <= tolerance,
      "{} scores {:.2f} % on the held-out images, but {:.2f} % after its training; the file or the "
      "data has changed since, so start again with another --out",
      (run.folder / "model.safetensors").string(), found, expected);
}

// MACs are a promise; this is what they come to on this machine. Speeds are measured here and not
// recorded in the journal, since no two runs agree on them.
void measure_speed(const PruneRun& run, const nn::Model& model, report::Report& r) {
  const double before = nn::inference_rate(run.original.network, run.original.info.side, run.ex);
  const double after = nn::inference_rate(model.network, model.info.side, run.ex);
  r.summary.front().images_per_second = before;
  r.summary.back().images_per_second = after;
  const double gain = after / before;
  r.notes.push_back(fmt::format(
      "Inference on this machine, images of the right size in batches of 128: {:.2f} times as many "
      "a second, at {:.2f} times fewer MACs.",
      gain, static_cast<double>(r.target.macs_before) / static_cast<double>(r.target.macs)));
  if (gain < 1.05) {
    r.warnings.push_back(
        "The pruned network needs fewer operations but is hardly faster here. Small layers are "
        "bound by memory or by the cost of starting them: --round-to auto, another --cost or a "
        "lower target may help.");
  }
}

// Blocks, and channels of the last layer, of each stage.
report::Choice choice(const nn::Graph& graph, const json& chosen) {
  report::Choice result;
  result.at = ratios(chosen.at("at"));
  result.pixels = chosen.at("side").get<std::int64_t>();
  result.predicted = share(chosen.at("predicted"));
  const std::vector<std::int64_t> channels = nn::infer_channels(graph);
  for (const nn::Block& block : graph.blocks) {
    const auto stage = static_cast<std::size_t>(block.stage);
    if (stage >= result.blocks.size()) {
      result.blocks.resize(stage + 1, 0);
      result.widths.resize(stage + 1, 0);
    }
    ++result.blocks[stage];
    result.widths[stage] = channels[static_cast<std::size_t>(block.output)];
  }
  return result;
}

report::AxisCurve axis_curve(const std::string& dimension, const map::Predictor& predictor,
                             const std::vector<report::Sample>& samples) {
  const std::size_t axis = dimension == "depth" ? 0 : dimension == "width" ? 1 : 2;
  report::AxisCurve curve;
  curve.dimension = dimension;
  const double low = map::coordinates(predictor.lower())[axis];
  constexpr int points = 61;
  for (int i = 0; i < points && low < 1.0; ++i) {
    std::array<double, 3> at{1, 1, 1};
    at[axis] = low + (1.0 - low) * i / (points - 1);
    curve.x.push_back(at[axis]);
    curve.predicted.push_back(predictor.value(map::point_of(at)) / 100.0);
  }
  for (const report::Sample& s : samples) {
    if (s.dimension != dimension && s.dimension != "original") continue;
    const std::array<double, 3> at{s.at.d, s.at.w, s.at.r};
    curve.measured.push_back({at[axis], s.accuracy});
  }
  return curve;
}

report::BudgetSurface surface(const json& solution) {
  const json& s = solution.at("surface");
  report::BudgetSurface result;
  const auto fractions = [](const json& counts) {
    std::vector<double> values;
    const double full = counts.at("full").get<double>();
    for (const json& count : counts.at("options")) values.push_back(count.get<double>() / full);
    return values;
  };
  result.d = fractions(s.at("blocks"));
  result.r = fractions(s.at("sides"));
  for (const json& row : s.at("predicted")) {
    for (const json& cell : row) result.predicted.push_back(cell.is_null() ? nan : share(cell));
  }
  result.chosen = ratios(solution.at("candidates").at(0).at("at"));
  result.kkt = ratios(solution.at("continuous").at("at"));
  return result;
}

report::TrainingCurve training_curve(const std::string& name, const json& epochs) {
  report::TrainingCurve curve;
  curve.series = name;
  for (const json& e : epochs) {
    curve.epochs.push_back(e.at("epoch").get<double>());
    curve.train_loss.push_back(e.at("loss").get<double>());
    curve.held_out_accuracy.push_back(e.contains("held_out") ? share(e.at("held_out")) : nan);
  }
  return curve;
}

// One line an epoch, over all steps; and one line a network.
void write_logs(const PruneRun& run, const report::Report& r) {
  std::string metrics;
  for (const auto& [step, result] : run.journal.steps().items()) {
    if (!result.is_object() || !result.contains("curve")) continue;
    for (json line : result.at("curve")) {
      line["step"] = step;
      metrics += line.dump() + "\n";
    }
  }
  engine::write_file_atomically(run.folder / "metrics.jsonl", metrics);
  std::string summary = "network,macs,params,held_out_top1,test_top1\n";
  for (const report::SummaryRow& row : r.summary) {
    summary += fmt::format("{},{},{},{:.2f},{:.2f}\n", row.network, *row.macs, *row.params,
                           100 * *row.held_out_top1, 100 * *row.test_top1);
  }
  engine::write_file_atomically(run.folder / "summary.csv", summary);
}

}  // namespace

void summarise(PruneRun& run) {
  const json& fitted = run.journal.at("fit");
  const json& solution = run.journal.at("solve");
  const json& applied = run.journal.at("apply");
  const json& trained = run.journal.at("finetune");
  const nn::Model pruned = nn::load_model(run.folder / "model.safetensors", {}, run.ex.device);
  verify(run, pruned, trained.at("finetuned"));
  const json& chosen = solution.at("candidates").at(0);
  const json& continuous = solution.at("continuous");

  report::Report r;
  r.title = fmt::format("{} pruned to {:.0f} % of its {}", run.original.info.arch,
                        100 * run.options.target, run.options.cost);
  r.command_line = run.command_line;
  r.dataset = run.train.name;
  r.model = run.original.info.arch;
  r.seed = run.options.training.seed;
  r.versions = {{"trifold", version()}};
  r.target = {.ratio = run.options.target,
              .cost_model = run.options.cost,
              .macs = trained.at("finetuned").at("macs").get<std::int64_t>(),
              .params = trained.at("finetuned").at("params").get<std::int64_t>(),
              .macs_before = applied.at("original").at("macs").get<std::int64_t>(),
              .params_before = applied.at("original").at("params").get<std::int64_t>()};
  r.chosen = choice(pruned.network.graph(), chosen);
  const json& e = continuous.at("accuracy_elasticity");
  r.continuous = report::ContinuousPoint{
      ratios(continuous.at("at")),
      share(continuous.at("predicted")),
      {e.at("d").get<double>(), e.at("w").get<double>(), e.at("r").get<double>()},
      continuous.at("multiplier").get<double>()};
  r.gap = r.continuous->predicted - r.chosen->predicted;
  r.predictor = report::PredictorQuality{
      fitted.at("rank").get<std::int64_t>(), fitted.at("degree").get<std::array<std::int64_t, 3>>(),
      fitted.at("samples").get<std::int64_t>(), share(fitted.at("loo_mae")),
      fitted.at("rank_correlation").get<double>()};
  r.summary = {summary_row("original", applied.at("original")),
               summary_row("pruned", applied.at("raw")),
               summary_row("batch norms re-estimated", applied.at("reestimated")),
               summary_row("fine-tuned", trained.at("finetuned"))};
  r.layers = layer_rows(run.original.network.graph(), run.original.info.side,
                        pruned.network.graph(), pruned.info.side);
  for (const auto& [step, point] : run.journal.steps().items()) {
    if (!step.starts_with("collect/")) continue;
    r.samples.push_back({point.at("dimension").get<std::string>(),
                         point.at("round").get<std::int64_t>(), ratios(point),
                         share(point.at("top1"))});
  }
  const std::unique_ptr<map::Predictor> predictor =
      map::make_predictor(predictor_from_json(fitted));
  if (run.options.prune_depth) r.axes.push_back(axis_curve("depth", *predictor, r.samples));
  if (run.options.prune_width) r.axes.push_back(axis_curve("width", *predictor, r.samples));
  if (run.options.prune_resolution) {
    r.axes.push_back(axis_curve("resolution", *predictor, r.samples));
  }
  r.surface = surface(solution);
  r.training.push_back(training_curve("fine-tuning", trained.at("curve")));
  const json& exponents = continuous.at("cost_elasticity");
  r.notes = {
      fmt::format("Width means {}, kept in multiples of {}. Near the optimum the cost ({}) "
                  "changes like d^{:.2f} "
                  "w^{:.2f} r^{:.2f}.",
                  run.options.width_mode == pruning::WidthMode::stream
                      ? "all channels, those of the residual stream too"
                      : "the channels inside the blocks",
                  run.options.round_to, run.options.cost, exponents.at("d").get<double>(),
                  exponents.at("w").get<double>(), exponents.at("r").get<double>()),
      "Held-out images are set aside from the training set and decide everything; the test set is "
      "for the last column alone. Where the original was trained on the held-out images too, its "
      "held-out accuracy, and to a smaller degree that of the networks cut from it, is too high.",
      "Images are resized with anti-aliased bilinear interpolation (half-pixel centres)."};
  measure_speed(run, pruned, r);
  run.times.save();
  for (const StageTimes::Entry& entry : run.times.entries()) {
    r.stages.push_back({entry.stage, entry.seconds});
  }
  write_report(r, run.folder);
  engine::write_file_atomically(run.folder / "figure.svg", figure_svg(r));
  write_logs(run, r);
  run.callbacks.tell(summary_table(r));
  run.callbacks.tell(fmt::format("report: {}\n", (run.folder / "report.html").string()));
}

}  // namespace trifold::apps
