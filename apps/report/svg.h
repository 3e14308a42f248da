/// A small plotting layer: each draw() returns SVG elements that fill a box; document() makes a
/// picture of them. Colours are classes, so that a page can show them light or dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trifold::apps::report::svg {

/// In pixels, y downwards.
struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

/// Axes of `whole` numbers have no ticks between them.
enum class Unit { plain, whole, percent, count };
enum class Mark { circle, diamond, cross };

/// A polyline; it is interrupted where a coordinate is NaN. `color` counts from 0.
struct Line {
  std::string name;  ///< in the legend, unless empty
  std::vector<double> x, y;
  int color = 0;
  bool dashed = false;
};

struct Scatter {
  std::string name;  ///< in the legend, unless empty
  std::vector<double> x, y;
  int color = 0;
  Mark mark = Mark::circle;
};

struct Chart {
  std::string title, x_label, y_label;
  Unit x_unit = Unit::plain, y_unit = Unit::plain;
  std::vector<Line> lines = {};
  std::vector<Scatter> scatters = {};
};

/// values[i * y.size() + j] at (x[i], y[j]); NaN cells stay empty. Colours are viridis, whose
/// lightness rises evenly (Smith and van der Walt, 2015).
struct HeatMap {
  std::string title, x_label, y_label, value_label, empty_label;
  Unit value_unit = Unit::plain;
  std::vector<double> x = {}, y = {}, values = {};
  std::vector<Scatter> marks = {};  ///< those outside the grid are not drawn
};

struct BarPair {
  std::string name;
  double before = 0, after = 0;
  bool removed = false;
};

/// Horizontal bars from the top; the box's height is best taken from bars_height().
struct Bars {
  std::string title, x_label;
  Unit unit = Unit::count;
  std::vector<BarPair> rows = {};
};

/// Multiples of 1, 2 or 5 times a power of ten that lie in [low, high], about `wanted` of them.
/// Empty unless low and high are finite and low < high.
std::vector<double> nice_ticks(double low, double high, int wanted);

/// "#rrggbb" of viridis at `share`, clamped to [0, 1].
std::string viridis(double share);

/// Errors    ShapeError: x and y differ in length.
std::string draw(const Chart& chart, const Box& box);
/// Errors    ShapeError: the values do not fill the grid, or the grid is empty or not ascending.
std::string draw(const HeatMap& map, const Box& box);
std::string draw(const Bars& bars, const Box& box);
double bars_height(const Bars& bars);

/// One inline picture that scales with its column, `title` being what a screen reader says.
std::string document(double width, double height, std::string_view title, std::string_view body);

/// The same as a file of its own, on white.
std::string standalone(double width, double height, std::string_view title, std::string_view body);

/// The rules that give the classes their colours, for light or dark pages.
std::string style(bool dark);

}  // namespace trifold::apps::report::svg
