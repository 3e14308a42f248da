/// The report of a run, made from its journal.
#include "apps/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/tensorboard.h"
#include "apps/prune/latency.h"
#include "apps/prune/run.h"
#include "engine/file_io.h"
#include "nn/execute/inference_rate.h"
#include "nn/io/model_file.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

report::Ratios ratios(const map::Point& at) { return {at.d, at.w, at.r}; }

report::SummaryRow summary_row(const char* name, const Judgement& judged) {
  report::SummaryRow row;
  row.network = name;
  row.macs = judged.macs;
  row.params = judged.params;
  row.held_out_top1 = judged.held_out;
  row.test_top1 = judged.test;
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
void verify(const PruneRun& run, const nn::Model& model, double expected) {
  const double found = held_out_top1(run, model.network, model.info.side);
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
report::Choice choice(const nn::Graph& graph, const Candidate& chosen) {
  report::Choice result;
  result.at = ratios(chosen.at);
  result.pixels = chosen.side;
  result.predicted = chosen.predicted;
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
    curve.predicted.push_back(predictor.value(map::point_of(at)));
  }
  for (const report::Sample& s : samples) {
    if (s.dimension != dimension && s.dimension != "original") continue;
    const std::array<double, 3> at{s.at.d, s.at.w, s.at.r};
    curve.measured.push_back({at[axis], s.accuracy});
  }
  return curve;
}

report::BudgetSurface surface(const Solution& solution, const Candidate& chosen) {
  const BudgetTable& table = solution.surface;
  report::BudgetSurface result;
  const auto fractions = [](const std::vector<std::int64_t>& counts) {
    std::vector<double> values;
    for (std::int64_t count : counts) {
      values.push_back(static_cast<double>(count) / static_cast<double>(counts.back()));
    }
    return values;
  };
  result.d = fractions(table.blocks);
  result.r = fractions(table.sides);
  for (const auto& row : table.predicted) {
    for (const std::optional<double>& cell : row) result.predicted.push_back(cell.value_or(nan));
  }
  result.chosen = ratios(chosen.at);
  result.kkt = ratios(solution.continuous.at);
  for (const map::Point& p : solution.certainty.cloud) result.cloud.push_back(ratios(p));
  return result;
}

report::TrainingCurve training_curve(const std::string& name,
                                     const std::vector<EpochRecord>& epochs) {
  report::TrainingCurve curve;
  curve.series = name;
  for (const EpochRecord& e : epochs) {
    curve.epochs.push_back(static_cast<double>(e.epoch));
    curve.train_loss.push_back(e.loss);
    curve.held_out_accuracy.push_back(e.held_out.value_or(nan));
  }
  return curve;
}

report::PredictorQuality quality(const FitResult& fitted) {
  report::PredictorQuality result{.family = fitted.family,
                                  .reason = fitted.reason,
                                  .degree = fitted.data.degree,
                                  .samples = fitted.samples,
                                  .noise = fitted.noise,
                                  .loo_mae = fitted.loo_mae,
                                  .rank_correlation = fitted.rank_correlation,
                                  .families = {}};
  for (const FamilyRecord& f : fitted.table) {
    result.families.push_back({.name = f.name,
                               .description = f.description,
                               .free_parameters = f.free_parameters,
                               .monotone = f.monotone,
                               .plausible = f.plausible,
                               .rmse = f.rmse,
                               .loo_mae = f.loo_mae,
                               .rank_correlation = f.rank_correlation,
                               .problem = f.problem});
  }
  return result;
}

report::Certainty certainty(const Certainty& found) {
  const auto interval = [](const IntervalRecord& i) {
    return report::Interval{i.low, i.middle, i.high};
  };
  report::Certainty result{.d = interval(found.d),
                           .w = interval(found.w),
                           .r = interval(found.r),
                           .accuracy = interval(found.accuracy),
                           .biased = {}};
  for (const BiasRecord& b : found.biased) {
    result.biased.push_back({b.dimension, b.bias, ratios(b.at), b.loss});
  }
  return result;
}

std::string note_on_held_out(const PruneRun& run) {
  switch (run.options.held_out_from) {
    case HeldOut::test:
      return fmt::format(
          "{} test images are set aside and decide everything; the last column is of the other {}.",
          run.held_out.count, run.test.count);
    case HeldOut::validation:
      return fmt::format(
          "{} images of a set of their own (--validation) decide everything; they stand as "
          "held-out, and the test set is for the last column alone.",
          run.held_out.count);
    case HeldOut::train:
      break;
  }
  return "Held-out images are set aside from the training set and decide everything; the test set "
         "is for the last column alone. Where the original was trained on the held-out images too, "
         "its held-out accuracy, and to a smaller degree that of the networks cut from it, is too "
         "high.";
}

std::vector<report::BlockRow> block_rows(const PlanResult& plan, const nn::Graph& before,
                                         const nn::Graph& after) {
  std::vector<report::BlockRow> rows;
  // Where the depth has no options no block was judged.
  if (plan.block_options.size() < 2) return rows;
  for (std::size_t i = 0; i < before.blocks.size(); ++i) {
    const std::string& name = before.blocks[i].name;
    rows.push_back(
        {.name = name,
         .importance = plan.importance[i],
         .spread = plan.importance_spread.empty() ? std::nullopt
                                                  : std::optional(plan.importance_spread[i]),
         .kept = std::ranges::find(after.blocks, name, &nn::Block::name) != after.blocks.end()});
  }
  return rows;
}

std::vector<report::ComparisonRow> comparison_rows(const PruneRun& run) {
  std::vector<report::ComparisonRow> rows;
  for (const MethodSummary& m : by_method(comparison(run))) {
    rows.push_back({.method = m.method,
                    .at = ratios(m.chosen.at),
                    .macs = m.macs,
                    .trainings = m.trainings,
                    .time = m.time,
                    .held_out_top1 = m.held_out,
                    .test_top1 = m.test,
                    .spread = m.spread});
  }
  return rows;
}

// The trainings of the run, by step.
std::vector<std::pair<std::string, std::vector<EpochRecord>>> curves(const PruneRun& run) {
  std::vector<std::pair<std::string, std::vector<EpochRecord>>> all;
  all.emplace_back("sparsify", run.journal.at<BaseResult>("sparsify").curve);
  for (const std::string& step : run.journal.steps()) {
    if (step.starts_with("collect/") || step.starts_with("finalist/")) {
      all.emplace_back(step, run.journal.at<DataPoint>(step).curve);
    }
  }
  FinetuneResult trained = run.journal.at<FinetuneResult>("finetune");
  all.emplace_back("finetune/heal", std::move(trained.healing));
  all.emplace_back("finetune", std::move(trained.curve));
  return all;
}

void warn_of_rollbacks(const PruneRun& run, report::Report& r) {
  for (const auto& [step, curve] : curves(run)) {
    const std::int64_t rollbacks = curve.empty() ? 0 : curve.back().rollbacks;
    if (rollbacks == 0) continue;
    r.warnings.push_back(fmt::format(
        "The training of the step {} diverged. It was rolled back {} times, each time to "
        "half the rate, and ended at a rate of {:.3g}.",
        step, rollbacks, curve.back().lr));
  }
}

// A folder a step, which TensorBoard takes for a run. When an epoch was, isn't recorded.
void write_events(const PruneRun& run) {
  const double time = seconds_since_1970();
  for (auto [step, curve] : curves(run)) {
    if (curve.empty()) continue;
    std::ranges::replace(step, '/', '-');
    const std::filesystem::path folder = run.folder / "tensorboard" / step;
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    require<engine::WriteError>(!failure, "{}: the folder can't be made ({})", folder.string(),
                                failure.message());
    std::string events = tensorboard_beginning(time);
    for (const EpochRecord& epoch : curve) {
      std::vector<std::pair<std::string, double>> values = {
          {"train_loss", epoch.loss}, {"train_top1", epoch.top1}, {"lr", epoch.lr}};
      if (epoch.held_out) values.emplace_back("held_out_top1", *epoch.held_out);
      events += tensorboard_scalars(time, epoch.epoch, values);
    }
    engine::write_file_atomically(folder / "metrics.tfevents", events);
  }
}

// One line an epoch, over all steps; and one line a network.
void write_logs(const PruneRun& run, const report::Report& r) {
  std::string metrics;
  for (const auto& [step, curve] : curves(run)) {
    for (const EpochRecord& epoch : curve) {
      nlohmann::json line = epoch;
      line["step"] = step;
      metrics += line.dump() + "\n";
    }
  }
  engine::write_file_atomically(run.folder / "metrics.jsonl", metrics);
  write_events(run);
  std::string summary = "network,macs,params,held_out_top1,test_top1\n";
  for (const report::SummaryRow& row : r.summary) {
    summary += fmt::format("{},{},{},{:.2f},{:.2f}\n", row.network, *row.macs, *row.params,
                           *row.held_out_top1, *row.test_top1);
  }
  engine::write_file_atomically(run.folder / "summary.csv", summary);
}

}  // namespace

void summarise(PruneRun& run) {
  const FitResult fitted = run.journal.at<FitResult>("fit");
  const Solution solution = run.journal.at<Solution>("solve");
  const ApplyResult applied = run.journal.at<ApplyResult>("apply");
  const FinetuneResult trained = run.journal.at<FinetuneResult>("finetune");
  const nn::Model pruned = nn::load_model(run.folder / "model.safetensors", {}, run.ex.device);
  verify(run, pruned, trained.finetuned.held_out);
  const Candidate chosen = chosen_candidate(run);
  const ContinuousResult& continuous = solution.continuous;

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
              .macs = trained.finetuned.macs,
              .params = trained.finetuned.params,
              .macs_before = applied.original.macs,
              .params_before = applied.original.params};
  r.chosen = choice(pruned.network.graph(), chosen);
  r.continuous = report::ContinuousPoint{ratios(continuous.at), continuous.predicted,
                                         map::coordinates(continuous.accuracy_elasticity),
                                         continuous.multiplier, continuous.explanation};
  r.gap = r.continuous->predicted - r.chosen->predicted;
  r.predictor = quality(fitted);
  r.certainty = certainty(solution.certainty);
  if (std::string broken = broken_promise(run, trained); !broken.empty()) {
    r.warnings.push_back(std::move(broken));
  }
  if (!solution.certainty.determined) r.warnings.push_back(solution.certainty.reason);
  warn_of_rollbacks(run, r);
  r.summary = {summary_row("original", applied.original), summary_row("pruned", applied.raw),
               summary_row("batch norms re-estimated", applied.reestimated),
               summary_row("fine-tuned", trained.finetuned)};
  r.comparison = comparison_rows(run);
  r.blocks = block_rows(run.journal.at<PlanResult>("plan"), run.original.network.graph(),
                        pruned.network.graph());
  r.layers = layer_rows(run.original.network.graph(), run.original.info.side,
                        pruned.network.graph(), pruned.info.side);
  for (const DataPoint& p : data_points(run)) {
    r.samples.push_back({p.dimension, p.round, ratios(p.at()), p.accuracy()});
  }
  const std::unique_ptr<map::Predictor> predictor = map::make_predictor(fitted.data);
  if (run.options.prune_depth) r.axes.push_back(axis_curve("depth", *predictor, r.samples));
  if (run.options.prune_width) r.axes.push_back(axis_curve("width", *predictor, r.samples));
  if (run.options.prune_resolution) {
    r.axes.push_back(axis_curve("resolution", *predictor, r.samples));
  }
  r.surface = surface(solution, chosen);
  if (!trained.healing.empty()) {
    r.training.push_back(training_curve("healing", trained.healing));
  }
  r.training.push_back(training_curve("fine-tuning", trained.curve));
  const map::Point& exponents = continuous.cost_elasticity;
  r.notes = {
      fmt::format("Width means {}, kept in multiples of {}. Near the optimum the cost ({}) "
                  "changes like d^{:.2f} "
                  "w^{:.2f} r^{:.2f}.",
                  run.options.width_mode == pruning::WidthMode::stream
                      ? "all channels, those of the residual stream too"
                      : "the channels inside the blocks",
                  run.options.round_to, run.options.cost, exponents.d, exponents.w, exponents.r),
      note_on_held_out(run),
      fmt::format(
          "Images are resized with bilinear interpolation (half-pixel centres), {}.",
          run.original.info.resize == kernels::ResizeFilter::plain ? "plain" : "anti-aliased")};
  measure_speed(run, pruned, r);
  if (run.options.cost == "latency") r.notes.push_back(latency_note(run, pruned, chosen));
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
