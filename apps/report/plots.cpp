#include "apps/report/plots.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "apps/report/svg.h"

namespace trifold::apps::report {
namespace {

constexpr double axis_width = 360, axis_height = 270;
constexpr double surface_width = 470, surface_height = 390;

svg::Chart axis_chart(const AxisCurve& axis, int color) {
  svg::Chart chart{.title = "Accuracy along " + axis.dimension,
                   .x_label = axis.dimension + " kept",
                   .y_label = "held-out accuracy",
                   .y_unit = svg::Unit::percent};
  chart.lines.push_back({"predicted", axis.x, axis.predicted, color});
  svg::Scatter measured{"measured", {}, {}, color};
  for (const Measured& point : axis.measured) {
    measured.x.push_back(point.x);
    measured.y.push_back(point.accuracy);
  }
  if (!measured.x.empty()) chart.scatters.push_back(measured);
  return chart;
}

svg::HeatMap surface_map(const BudgetSurface& surface) {
  svg::HeatMap map{.title = "Predicted accuracy at the budget, width solved",
                   .x_label = "depth kept, d",
                   .y_label = "resolution kept, r",
                   .value_label = "predicted accuracy",
                   .empty_label = "no width fits",
                   .value_unit = svg::Unit::percent,
                   .x = surface.d,
                   .y = surface.r,
                   .values = surface.predicted};
  if (!surface.cloud.empty()) {
    svg::Scatter cloud{
        .name = "optima of the bootstrap", .x = {}, .y = {}, .color = 2, .mark = svg::Mark::circle};
    for (const Ratios& p : surface.cloud) {
      cloud.x.push_back(p.d);
      cloud.y.push_back(p.r);
    }
    map.marks.push_back(std::move(cloud));
  }
  if (surface.kkt) {
    map.marks.push_back({"optimum (KKT)", {surface.kkt->d}, {surface.kkt->r}, 0, svg::Mark::cross});
  }
  if (surface.chosen) {
    map.marks.push_back(
        {"chosen", {surface.chosen->d}, {surface.chosen->r}, 1, svg::Mark::diamond});
  }
  return map;
}

// Joins the epochs that were measured, over those that were not. Lengths that differ are kept as
// they are, for draw() to refuse.
svg::Line known_epochs(const TrainingCurve& curve, const std::vector<double>& values, int color) {
  if (curve.epochs.size() != values.size()) return {curve.series, curve.epochs, values, color};
  svg::Line line{curve.series, {}, {}, color};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    line.x.push_back(curve.epochs[i]);
    line.y.push_back(values[i]);
  }
  return line;
}

}  // namespace

std::vector<std::string> axis_plots(const Report& report) {
  std::vector<std::string> plots;
  int color = 0;
  for (const AxisCurve& axis : report.axes) {
    const svg::Chart chart = axis_chart(axis, color++);
    plots.push_back(svg::document(axis_width, axis_height, chart.title,
                                  svg::draw(chart, {0, 0, axis_width, axis_height})));
  }
  return plots;
}

std::string surface_plot(const Report& report) {
  if (!report.surface) return {};
  const svg::HeatMap map = surface_map(*report.surface);
  return svg::document(surface_width, surface_height, map.title,
                       svg::draw(map, {0, 0, surface_width, surface_height}));
}

std::vector<std::string> training_plots(const Report& report) {
  constexpr double width = 480, height = 300;
  svg::Chart loss{
      .title = "Training loss", .x_label = "epoch", .y_label = "loss", .x_unit = svg::Unit::whole};
  svg::Chart accuracy{.title = "Held-out accuracy",
                      .x_label = "epoch",
                      .y_label = "top-1",
                      .x_unit = svg::Unit::whole,
                      .y_unit = svg::Unit::percent};
  int color = 0;
  for (const TrainingCurve& curve : report.training) {
    for (auto [chart, values] :
         {std::pair(&loss, &curve.train_loss), std::pair(&accuracy, &curve.held_out_accuracy)}) {
      svg::Line line = known_epochs(curve, *values, color);
      if (!line.y.empty()) chart->lines.push_back(std::move(line));
    }
    ++color;
  }
  std::vector<std::string> plots;
  for (const svg::Chart& chart : {loss, accuracy}) {
    if (chart.lines.empty()) continue;
    plots.push_back(
        svg::document(width, height, chart.title, svg::draw(chart, {0, 0, width, height})));
  }
  return plots;
}

std::vector<std::string> comparison_plots(const Report& report) {
  if (report.comparison.empty()) return {};
  constexpr double width = 480, height = 340;
  svg::Chart macs{.title = "Test accuracy against MACs",
                  .x_label = "MACs",
                  .y_label = "test top-1",
                  .x_unit = svg::Unit::count,
                  .y_unit = svg::Unit::percent};
  svg::Chart time{.title = "Test accuracy against measured time",
                  .x_label = "time, as a share of the original's",
                  .y_label = "test top-1",
                  .y_unit = svg::Unit::percent};
  constexpr std::array marks = {svg::Mark::circle, svg::Mark::diamond, svg::Mark::cross};
  for (std::size_t i = 0; i < report.comparison.size(); ++i) {
    const ComparisonRow& row = report.comparison[i];
    svg::Scatter place{.name = row.method,
                       .x = {static_cast<double>(row.macs)},
                       .y = {row.test_top1},
                       .color = static_cast<int>(i),
                       .mark = marks[i % marks.size()]};
    macs.scatters.push_back(place);
    place.x = {row.time};
    time.scatters.push_back(std::move(place));
  }
  std::vector<std::string> plots;
  for (const svg::Chart& chart : {macs, time}) {
    plots.push_back(
        svg::document(width, height, chart.title, svg::draw(chart, {0, 0, width, height})));
  }
  return plots;
}

std::string layer_plot(const Report& report) {
  svg::Bars bars{.title = "MACs of each layer", .x_label = "MACs per image"};
  for (const LayerRow& layer : report.layers) {
    // Layers without arithmetic of their own would only be gaps.
    if (layer.macs_before == 0 && layer.macs_after == 0) continue;
    bars.rows.push_back({layer.name, static_cast<double>(layer.macs_before),
                         static_cast<double>(layer.macs_after), layer.removed});
  }
  if (bars.rows.empty()) return {};
  constexpr double width = 470;
  const double height = svg::bars_height(bars);
  return svg::document(width, height, bars.title, svg::draw(bars, {0, 0, width, height}));
}

std::string figure_svg(const Report& report) {
  constexpr double margin = 12;
  const std::size_t columns = std::max<std::size_t>(report.axes.size(), 2);
  const double width = 2 * margin + axis_width * static_cast<double>(columns);
  double y = margin;
  std::string body;
  for (std::size_t i = 0; i < report.axes.size(); ++i) {
    const double x = margin + axis_width * static_cast<double>(i);
    body +=
        svg::draw(axis_chart(report.axes[i], static_cast<int>(i)), {x, y, axis_width, axis_height});
  }
  if (!report.axes.empty()) y += axis_height + margin;
  if (report.surface) {
    body += svg::draw(surface_map(*report.surface),
                      {(width - surface_width) / 2, y, surface_width, surface_height});
    y += surface_height + margin;
  }
  return svg::standalone(width, y, report.title, body);
}

}  // namespace trifold::apps::report
