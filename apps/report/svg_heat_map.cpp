#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "apps/report/svg.h"
#include "apps/report/svg_frame.h"
#include "kernels/runtime/error.h"

namespace trifold::apps::report::svg {
namespace {

// The n + 1 borders of n cells: half-way between neighbours, and as far beyond the two ends.
std::vector<double> borders(const std::vector<double>& centres) {
  const std::size_t n = centres.size();
  if (n == 1) return {centres[0] - 0.5, centres[0] + 0.5};
  std::vector<double> out(n + 1);
  for (std::size_t i = 1; i < n; ++i) out[i] = (centres[i - 1] + centres[i]) / 2;
  out[0] = 2 * centres[0] - out[1];
  out[n] = 2 * centres[n - 1] - out[n - 1];
  return out;
}

void check_axis(const std::vector<double>& axis, const std::string& title) {
  bool good = !axis.empty();
  for (std::size_t i = 0; i < axis.size(); ++i) {
    good = good && std::isfinite(axis[i]) && (i == 0 || axis[i - 1] < axis[i]);
  }
  require<ShapeError>(good, "{}: an axis of the grid is empty or not ascending; sort its values",
                      title);
}

std::string color_bar(const Box& box, const Range& range, const HeatMap& map) {
  constexpr int steps = 48;
  const double height = box.height / steps;
  std::string out;
  for (int i = 0; i < steps; ++i) {
    // A little overlap hides the seams.
    fmt::format_to(std::back_inserter(out),
                   R"(<rect x="{:.1f}" y="{:.2f}" width="{:.1f}" height="{:.2f}" fill="{}"/>)",
                   box.x, box.y + box.height - (i + 1) * height, box.width, height + 0.4,
                   viridis((i + 0.5) / steps));
  }
  const Frame frame{box, {0, 1}, range};
  const std::vector<double> ticks = nice_ticks(range.low, range.high, 6);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  const double right = box.x + box.width;
  for (const double tick : ticks) {
    out += rule(right, frame.py(tick), right + 4, frame.py(tick), "axis");
    out +=
        text(right + 7, frame.py(tick) + 4, "tick", "start", tick_text(tick, step, map.value_unit));
  }
  return out + upright(right + 62, box.y + box.height / 2, map.value_label);
}

}  // namespace

std::string draw(const HeatMap& map, const Box& box) {
  check_axis(map.x, map.title);
  check_axis(map.y, map.title);
  require<ShapeError>(map.values.size() == map.x.size() * map.y.size(),
                      "{}: {} values for a grid of {} x {}; give one for each cell", map.title,
                      map.values.size(), map.x.size(), map.y.size());
  Range values;
  values.include(map.values);
  const Range shown = values.empty() || !values.is_point() ? values : values.padded(0);

  std::vector<LegendEntry> entries;
  for (const Scatter& scatter : map.marks) {
    if (!scatter.name.empty()) {
      entries.push_back({scatter.name, mark(scatter.mark, 0, 0, scatter.color)});
    }
  }
  const bool holes =
      std::any_of(map.values.begin(), map.values.end(), [](double v) { return !std::isfinite(v); });
  if (holes && !map.empty_label.empty()) {
    entries.push_back(
        {map.empty_label, R"(<rect x="-9" y="-5" width="18" height="10" class="void"/>)"});
  }
  double legend_height = 0;
  std::string out = heading(box, map.title);
  out += legend(entries, box.x + 4, box.y + 24, box.width - 8, legend_height);

  constexpr double gutter = 58, foot = 40, bar = 92;
  const double top = 34 + legend_height;
  const std::vector<double> xs = borders(map.x), ys = borders(map.y);
  const Frame frame{
      {box.x + gutter, box.y + top, box.width - gutter - bar, box.height - top - foot},
      {xs.front(), xs.back()},
      {ys.front(), ys.back()}};
  out += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="void"/>)",
                     frame.inner.x, frame.inner.y, frame.inner.width, frame.inner.height);
  out += R"(<g shape-rendering="crispEdges">)";
  for (std::size_t i = 0; i < map.x.size(); ++i) {
    for (std::size_t j = 0; j < map.y.size(); ++j) {
      const double value = map.values[i * map.y.size() + j];
      if (!std::isfinite(value)) continue;
      const double left = frame.px(xs[i]), upper = frame.py(ys[j + 1]);
      fmt::format_to(std::back_inserter(out),
                     R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}"/>)",
                     left, upper, frame.px(xs[i + 1]) - left, frame.py(ys[j]) - upper,
                     viridis((value - shown.low) / (shown.high - shown.low)));
    }
  }
  out += "</g>";
  out += x_axis(frame, map.x_label, Unit::plain, false);
  out += y_axis(frame, map.y_label, Unit::plain, false, gutter);
  for (const Scatter& scatter : map.marks) {
    for (std::size_t i = 0; i < std::min(scatter.x.size(), scatter.y.size()); ++i) {
      const double x = scatter.x[i], y = scatter.y[i];
      const bool inside = x >= xs.front() && x <= xs.back() && y >= ys.front() && y <= ys.back();
      if (inside) out += mark(scatter.mark, frame.px(x), frame.py(y), scatter.color);
    }
  }
  if (!values.empty()) {
    out +=
        color_bar({frame.inner.x + frame.inner.width + 12, frame.inner.y, 12, frame.inner.height},
                  shown, map);
  }
  return out;
}

}  // namespace trifold::apps::report::svg
