#include "map/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "map/error.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

constexpr double kStandardErrors = 2.5;

FamilyScore score(const std::vector<Sample>& samples, const PredictorFamily& family) {
  FamilyScore row;
  row.family = family.name;
  row.description = family.description;
  row.monotone = family.monotone;
  row.free_parameters = family.free_parameters(samples);
  try {
    row.model = family.fit(samples);
    double squares = 0;
    for (const Sample& s : samples) squares += std::pow(row.model->value(s.at) - s.accuracy, 2);
    row.rmse = std::sqrt(squares / static_cast<double>(samples.size()));
    row.left_out = leave_one_out(samples, family.fit);
  } catch (const FitError& e) {
    row.problem = fmt::format("{}{}", row.model ? "Without one of the points: " : "", e.what());
  }
  return row;
}

/// Sets excess, its standard error and `plausible` of `row` against the best row.
void compare(FamilyScore& row, const FamilyScore& best, const std::vector<Sample>& samples) {
  const auto n = static_cast<double>(samples.size());
  double squares = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double y = samples[i].accuracy;
    const double difference =
        std::abs(row.left_out->predictions[i] - y) - std::abs(best.left_out->predictions[i] - y);
    row.excess += difference / n;
    squares += difference * difference / n;
  }
  const double variance = std::max(0.0, squares - row.excess * row.excess);
  row.excess_error = std::sqrt(variance / std::max(1.0, n - 1));
  row.plausible = row.excess <= kStandardErrors * row.excess_error;
}

}  // namespace

Selection select_family(const std::vector<Sample>& samples,
                        const std::vector<PredictorFamily>& families) {
  check_samples(samples);
  Selection selection;
  const FamilyScore* best = nullptr;
  for (const PredictorFamily& family : families) selection.table.push_back(score(samples, family));
  for (const FamilyScore& row : selection.table) {
    if (row.left_out && (best == nullptr || row.left_out->mae < best->left_out->mae)) best = &row;
  }
  if (best == nullptr) {
    const auto fitted = std::ranges::find_if(
        selection.table, [](const FamilyScore& row) { return row.model != nullptr; });
    if (fitted == selection.table.end()) {
      throw FitError(
          fmt::format("No predictor can be fitted to {} points; add points.", samples.size()));
    }
    selection.chosen = static_cast<std::size_t>(fitted - selection.table.begin());
    selection.reason = fmt::format(
        "{} is the first that {} points allow; they are too few to check it by leaving one out.",
        fitted->family, samples.size());
    return selection;
  }
  bool found = false;
  for (std::size_t i = 0; i < selection.table.size(); ++i) {
    FamilyScore& row = selection.table[i];
    if (!row.left_out) continue;
    compare(row, *best, samples);
    if (row.plausible && !found) {
      selection.chosen = i;
      found = true;
    }
  }
  const FamilyScore& chosen = selection.table[selection.chosen];
  selection.reason =
      &chosen == best
          ? fmt::format("{} predicts points that it hasn't seen best, to {:.3f} on average.",
                        chosen.family, chosen.left_out->mae)
          : fmt::format(
                "{} predicts points that it hasn't seen to {:.3f} on average; {} is better "
                "by {:.3f}, which noise explains (standard error {:.3f}).",
                chosen.family, chosen.left_out->mae, best->family, chosen.excess,
                chosen.excess_error);
  return selection;
}

}  // namespace trifold::map
