/// What is told about one pruning run, and its three forms: a web page, Markdown and JSON. Accuracies
/// are in percent, their differences in points.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace trifold::apps::report {

/// Shares of the original's depth, width and resolution, each in (0, 1].
struct Ratios {
  double d = 1, w = 1, r = 1;
};

struct Target {
  double ratio = 1;              ///< budget / original cost, under cost_model
  std::string cost_model;        ///< such as "macs"
  std::int64_t macs = 0;         ///< achieved, counted, per image
  std::int64_t params = 0;       ///< achieved
  std::int64_t macs_before = 0;  ///< of the original
  std::int64_t params_before = 0;
};

/// What is deployed: whole blocks, whole channels, whole pixels.
struct Choice {
  Ratios at;                         ///< the shares that the counts below amount to
  std::vector<std::int64_t> blocks;  ///< kept blocks, a stage each
  std::vector<std::int64_t> widths;  ///< channels, a stage each
  std::int64_t pixels = 0;           ///< side of the square input
  double predicted = 0;              ///< accuracy that the predictor expects
};

/// The optimum of the smooth problem, with the conditions that prove it.
struct ContinuousPoint {
  Ratios at;
  double predicted = 0;
  std::array<double, 3> elasticities{};  ///< x F_x / F for x = d, w, r
  double multiplier = 0;                 ///< dF per unit of relative cost, at the optimum
  std::string explanation;               ///< what the KKT conditions say of it, in sentences
};

/// One family of accuracy predictors, fitted and judged.
struct FamilyRow {
  std::string name, description;
  std::int64_t free_parameters = 0;
  bool monotone = false;          ///< never falls as a dimension grows
  bool plausible = false;         ///< can't be told from the best by its leave-one-out error
  double rmse = 0;                ///< of the fit
  std::optional<double> loo_mae;  ///< leave-one-out mean absolute error
  std::optional<double> rank_correlation;  ///< Spearman's, leave-one-out, in [-1, 1]
  std::string problem;                     ///< why something is missing
};

/// How far to trust the accuracy predictor (MAP).
struct PredictorQuality {
  std::string family;
  std::string reason;                    ///< why this family, a sentence
  std::array<std::int64_t, 3> degree{};  ///< that was fitted, in d, w, r
  std::int64_t samples = 0;
  double noise = 0;                                 ///< standard deviation of a measurement
  std::optional<double> loo_mae, rank_correlation;  ///< as in FamilyRow
  std::vector<FamilyRow> families;                  ///< all, the chosen one among them
};

struct Interval {
  double low = 0, middle = 0, high = 0;
};

/// The choice if one axis was measured too high by `bias`.
struct BiasRow {
  std::string dimension;
  double bias = 0;
  Ratios at;
  double loss = 0;  ///< predicted, against the unbiased choice
};

/// How sure the choice is: intervals of the optimum's place and of the accuracy predicted there (the
/// middle 90 % of a bootstrap), and what a bias would change.
struct Certainty {
  Interval d, w, r, accuracy;
  std::vector<BiasRow> biased;
};

/// One network; what was not measured is absent.
struct SummaryRow {
  std::string network;  ///< such as "original" or "fine-tuned"
  std::optional<std::int64_t> macs, params;
  std::optional<double> held_out_top1, test_top1;
  std::optional<double> images_per_second;

  /// FLOPs = 2 * MACs.
  std::optional<std::int64_t> flops() const {
    return macs ? std::optional<std::int64_t>(2 * *macs) : std::nullopt;
  }
};

struct LayerRow {
  std::string name, op;
  std::string output_before, output_after;  ///< shape, such as "16 x 32 x 32"
  std::int64_t channels_before = 0, channels_after = 0;
  std::int64_t macs_before = 0, macs_after = 0;
  std::int64_t params_before = 0, params_after = 0;
  bool removed = false;  ///< with its whole block; the "after" fields then mean nothing
};

/// How important a block of the original was judged to be.
struct BlockRow {
  std::string name;
  double importance = 0;
  std::optional<double> spread;  ///< standard deviation over the seeds
  bool kept = true;
};

/// Another way to spend the budget, by the same recipe; the mean of its trainings.
struct ComparisonRow {
  std::string method;
  Ratios at;
  std::int64_t macs = 0, trainings = 0;
  double time = 0;  ///< measured, as a share of the original's
  double held_out_top1 = 0, test_top1 = 0;
  std::optional<double> spread;  ///< standard deviation of test_top1
};

/// One measured point that the predictor was fitted to.
struct Sample {
  std::string dimension;  ///< that was pruned last: "depth", "width", "resolution", "original"
  std::int64_t round = 0;
  Ratios at;
  double accuracy = 0;
};

struct Measured {
  double x = 0, accuracy = 0;
};

/// Accuracy along one dimension, the other two held at 1.
struct AxisCurve {
  std::string dimension;          ///< "depth", "width" or "resolution"
  std::vector<double> x;          ///< ascending, in (0, 1]
  std::vector<double> predicted;  ///< a value for each x
  std::vector<Measured> measured;
};

/// Predicted accuracy where w is solved from the budget: predicted[i * r.size() + j] at d[i], r[j];
/// NaN where no w <= 1 spends the budget. The points are marked if they lie within the grid.
struct BudgetSurface {
  std::vector<double> d, r;  ///< ascending
  std::vector<double> predicted;
  std::optional<Ratios> chosen, kkt;
  std::vector<Ratios> cloud;  ///< optima of the bootstrap's draws
};

/// One training run. The vectors have one length; NaN marks what was not measured in an epoch.
struct TrainingCurve {
  std::string series;
  std::vector<double> epochs, train_loss, held_out_accuracy;
};

/// Wall time.
struct StageTime {
  std::string stage;
  double seconds = 0;
};

struct Fact {
  std::string name, value;
};

/// Everything; what is empty or absent is left out of the page.
struct Report {
  std::string title, command_line;
  std::vector<Fact> versions;
  std::string dataset, model;
  std::uint64_t seed = 0;
  std::vector<StageTime> stages;  ///< in the order of the run

  /// Of all stages.
  double duration_seconds() const {
    double sum = 0;
    for (const StageTime& s : stages) sum += s.seconds;
    return sum;
  }

  Target target;
  std::optional<Choice> chosen;
  std::optional<ContinuousPoint> continuous;
  /// continuous->predicted - chosen->predicted: what rounding to a real network costs.
  std::optional<double> gap;
  std::optional<PredictorQuality> predictor;
  std::optional<Certainty> certainty;

  std::vector<SummaryRow> summary;
  std::vector<ComparisonRow> comparison;
  std::vector<BlockRow> blocks;
  std::vector<LayerRow> layers;
  std::vector<Sample> samples;
  std::vector<AxisCurve> axes;
  std::optional<BudgetSurface> surface;
  std::vector<TrainingCurve> training;
  std::vector<std::string> notes, warnings;
};

/// One self-contained page: no script, nothing fetched; light or dark as the reader's system is.
/// Errors    ShapeError: a curve or the surface whose vectors do not fit together.
std::string to_html(const Report& report);

/// The same facts without the pictures.
std::string to_markdown(const Report& report);

/// Every field under its own name; absent and NaN become null. A point is {"d", "w", "r"}.
std::string to_json(const Report& report);

/// The summary rows as aligned plain text for a terminal; ends with a newline.
std::string summary_table(const Report& report);

/// A standalone SVG on white: accuracy along the axes, and the budget surface.
/// Errors    ShapeError as for to_html.
std::string figure_svg(const Report& report);

/// Writes report.html, report.md and report.json into `folder`, which is made if it is missing.
/// Errors    ShapeError as for to_html; WriteError: the folder or a file cannot be written.
void write_report(const Report& report, const std::filesystem::path& folder);

}  // namespace trifold::apps::report
