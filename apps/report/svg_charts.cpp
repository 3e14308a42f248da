#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "apps/report/format.h"
#include "apps/report/svg.h"
#include "apps/report/svg_frame.h"
#include "kernels/runtime/error.h"

namespace trifold::apps::report::svg {
namespace {

constexpr int colors = 6;
constexpr double row_height = 15, bars_top = 54, bars_foot = 40;

std::string stroke(const Line& line) {
  return fmt::format("line s{}{}", line.color % colors, line.dashed ? " dash" : "");
}

std::string polyline(const Line& line, const Frame& frame) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = 0; i < line.x.size(); ++i) {
    const bool known = std::isfinite(line.x[i]) && std::isfinite(line.y[i]);
    if (known) {
      fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", pen_down ? 'L' : 'M',
                     frame.px(line.x[i]), frame.py(line.y[i]));
    }
    pen_down = known;
  }
  return path.empty() ? path : fmt::format(R"(<path d="{}" class="{}"/>)", path, stroke(line));
}

template <class Series>
void check(const Series& series, const std::string& chart) {
  require<ShapeError>(series.x.size() == series.y.size(),
                      "{}: series '{}' has {} x values but {} y values; give one y for each x",
                      chart, series.name, series.x.size(), series.y.size());
}

// At most `letters`, the middle left out, since layer names differ at both ends. Cuts only between
// characters of UTF-8.
std::string shortened(const std::string& name, std::size_t letters) {
  if (name.size() <= letters) return name;
  const auto inside = [&](std::size_t i) {
    return i < name.size() && (static_cast<unsigned char>(name[i]) & 0xC0) == 0x80;
  };
  std::size_t head = letters / 2, tail = name.size() - (letters - head - 1);
  while (head > 0 && inside(head)) --head;
  while (inside(tail)) ++tail;
  return name.substr(0, head) + "…" + name.substr(tail);
}

}  // namespace

std::string draw(const Chart& chart, const Box& box) {
  Range x_range, y_range;
  std::vector<LegendEntry> entries;
  for (const Line& line : chart.lines) {
    check(line, chart.title);
    x_range.include(line.x);
    y_range.include(line.y);
    if (!line.name.empty()) {
      entries.push_back(
          {line.name, fmt::format(R"(<path d="M-9 0H9" class="{}"/>)", stroke(line))});
    }
  }
  for (const Scatter& scatter : chart.scatters) {
    check(scatter, chart.title);
    x_range.include(scatter.x);
    y_range.include(scatter.y);
    if (!scatter.name.empty()) {
      entries.push_back({scatter.name, mark(scatter.mark, 0, 0, scatter.color)});
    }
  }
  double legend_height = 0;
  std::string out = heading(box, chart.title);
  out += legend(entries, box.x + 4, box.y + 24, box.width - 8, legend_height);
  constexpr double gutter = 70, foot = 40;
  const double top = 32 + legend_height;
  const Frame frame{{box.x + gutter, box.y + top, box.width - gutter - 14, box.height - top - foot},
                    x_range.padded(0.03),
                    y_range.padded(0.06)};
  out += y_axis(frame, chart.y_label, chart.y_unit, true, gutter);
  out += x_axis(frame, chart.x_label, chart.x_unit, false);
  for (const Line& line : chart.lines) out += polyline(line, frame);
  for (const Scatter& scatter : chart.scatters) {
    for (std::size_t i = 0; i < scatter.x.size(); ++i) {
      if (!std::isfinite(scatter.x[i]) || !std::isfinite(scatter.y[i])) continue;
      out += mark(scatter.mark, frame.px(scatter.x[i]), frame.py(scatter.y[i]), scatter.color);
    }
  }
  return out;
}

double bars_height(const Bars& bars) {
  return bars_top + row_height * static_cast<double>(bars.rows.size()) + bars_foot;
}

std::string draw(const Bars& bars, const Box& box) {
  Range range;
  range.include(0);
  for (const BarPair& row : bars.rows) {
    range.include(row.before);
    if (!row.removed) range.include(row.after);
  }
  if (range.high <= range.low) range.high = 1;
  constexpr double gutter = 132;
  const Frame frame{{box.x + gutter, box.y + bars_top, box.width - gutter - 22,
                     box.height - bars_top - bars_foot},
                    range,
                    {0, 1}};
  double legend_height = 0;
  std::string out = heading(box, bars.title);
  out += legend({{"before", R"(<rect x="-9" y="-5" width="18" height="10" class="before"/>)"},
                 {"after", R"(<rect x="-9" y="-3" width="18" height="6" class="f0"/>)"}},
                box.x + 4, box.y + 24, box.width - 8, legend_height);
  out += x_axis(frame, bars.x_label, bars.unit, true);
  double y = frame.inner.y;
  for (const BarPair& row : bars.rows) {
    out += fmt::format(R"(<g><title>{}: {} before, {}</title>)", escape_markup(row.name),
                       count_text(row.before),
                       row.removed ? std::string("removed") : count_text(row.after) + " after");
    out += text(frame.inner.x - 7, y + 12, row.removed ? "tick gone" : "tick", "end",
                shortened(row.name, 21));
    out += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="12" class="before"/>)",
                       frame.inner.x, y + 2, std::max(0.0, frame.px(row.before) - frame.inner.x));
    if (!row.removed) {
      out += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="6" class="f0"/>)",
                         frame.inner.x, y + 5, std::max(0.0, frame.px(row.after) - frame.inner.x));
    }
    out += "</g>";
    y += row_height;
  }
  return out;
}

}  // namespace trifold::apps::report::svg
