#include "map/determinacy.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace trifold::map {

Determinacy judge_optimum(const Predictor& model, const Bootstrap& draws,
                          const std::vector<Point>& surface, double noise) {
  if (surface.empty()) throw std::invalid_argument("The budget surface has no point.");
  constexpr double kMostSpanned = 0.5;
  constexpr std::array<std::string_view, 3> kNames{"d", "w", "r"};
  Determinacy result;
  const std::array<Interval, 3> intervals{draws.d, draws.w, draws.r};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [least, most] = std::minmax_element(
        surface.begin(), surface.end(),
        [&](const Point& a, const Point& b) { return coordinates(a)[i] < coordinates(b)[i]; });
    const double range = coordinates(*most)[i] - coordinates(*least)[i];
    const double width = intervals[i].high - intervals[i].low;
    result.spanned[i] = range > 0 ? std::min(1.0, width / range) : 0.0;
    if (result.spanned[i] > kMostSpanned) {
      result.reason += fmt::format(
          "{}The data do not determine {}: its interval {:.3f} to {:.3f} spans {:.0f} % "
          "of what the budget allows.",
          result.reason.empty() ? "" : " ", kNames[i], intervals[i].low, intervals[i].high,
          100 * result.spanned[i]);
    }
  }
  std::vector<double> values;
  for (const Point& p : surface) values.push_back(model.value(p));
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  result.advantage = model.value(draws.optimum.at) - *middle;
  if (result.advantage < noise) {
    result.reason += fmt::format(
        "{}The data do not tell the optimum from a middling point of the same cost: it is "
        "predicted "
        "{:.3f} better, and one measurement varies by {:.3f}.",
        result.reason.empty() ? "" : " ", result.advantage, noise);
  }
  result.determined = result.reason.empty();
  return result;
}

}  // namespace trifold::map
