/// The axes that charts, heat maps and bars share. Internal to the plotting layer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/report/svg.h"

namespace trifold::apps::report::svg {

/// A closed interval of data, grown point by point; NaN is passed over.
struct Range {
  double low = 1, high = 0;  // Empty.

  void include(double value);
  void include(const std::vector<double>& values);
  bool empty() const { return low > high; }
  /// Whether only rounding tells its ends apart.
  bool is_point() const;
  /// Wider by `share` of its length on both sides; a point gets some length.
  Range padded(double share) const;
};

/// Maps data to pixels inside `inner`.
struct Frame {
  Box inner;
  Range x_range, y_range;

  double px(double x) const;
  double py(double y) const;
};

struct LegendEntry {
  std::string name, symbol;  ///< the symbol is drawn around (0, 0), at most 18 wide
};

std::string text(double x, double y, std::string_view classes, std::string_view anchor,
                 std::string_view content);
/// A label that reads upwards, centred on (x, y).
std::string upright(double x, double y, std::string_view content);
std::string rule(double x1, double y1, double x2, double y2, std::string_view classes);
std::string heading(const Box& box, std::string_view title);
std::string tick_text(double value, double step, Unit unit);
/// Ticks and labels; grid lines where `grid`.
std::string x_axis(const Frame& frame, std::string_view label, Unit unit, bool grid);
std::string y_axis(const Frame& frame, std::string_view label, Unit unit, bool grid, double gutter);
std::string mark(Mark kind, double x, double y, int color);

/// Rows of entries from (x, y) downwards, broken at `width`; `height` receives what they take.
std::string legend(const std::vector<LegendEntry>& entries, double x, double y, double width,
                   double& height);

}  // namespace trifold::apps::report::svg
