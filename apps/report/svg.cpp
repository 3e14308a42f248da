#include "apps/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/report/format.h"
#include "apps/report/svg_frame.h"

namespace trifold::apps::report::svg {
namespace {

// About the mean advance of a sans-serif letter at 11 px.
constexpr double letter_width = 6;

// Okabe and Ito's colours, which colour-blind readers can tell apart; a lighter set on dark pages.
constexpr std::array<const char*, 6> light_series = {"#0b6bb3", "#d1590a", "#00805c",
                                                     "#a8487f", "#8a6d00", "#5b5bd6"};
constexpr std::array<const char*, 6> dark_series = {"#62b5f5", "#ff9a57", "#3fcfa0",
                                                    "#eb94c4", "#e3c341", "#a5a5ff"};

}  // namespace

std::vector<double> nice_ticks(double low, double high, int wanted) {
  if (!std::isfinite(low) || !std::isfinite(high) || !(low < high) || wanted < 1) return {};
  const double rough = (high - low) / wanted;
  if (!std::isfinite(rough) || rough <= 0) return {};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double lead = rough / power;
  const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  // A tick that rounding puts a hair outside still counts as inside.
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  // Ticks that differ only beyond the ninth digit tell nobody anything, and where a step is lost in
  // rounding the loop would not end.
  if (!(last - first < 1000) || std::max(std::abs(first), std::abs(last)) > 1e9) return {};
  for (double i = first; i <= last; ++i) ticks.push_back(i * step + 0.0);
  return ticks;
}

std::string viridis(double share) {
  static constexpr std::array<std::array<int, 3>, 11> anchors = {{{0x44, 0x01, 0x54},
                                                                  {0x48, 0x24, 0x75},
                                                                  {0x41, 0x44, 0x87},
                                                                  {0x35, 0x5f, 0x8d},
                                                                  {0x2a, 0x78, 0x8e},
                                                                  {0x21, 0x91, 0x8c},
                                                                  {0x22, 0xa8, 0x84},
                                                                  {0x44, 0xbf, 0x70},
                                                                  {0x7a, 0xd1, 0x51},
                                                                  {0xbd, 0xdf, 0x26},
                                                                  {0xfd, 0xe7, 0x25}}};
  const double at = (share > 0 ? std::min(share, 1.0) : 0.0) * (anchors.size() - 1);
  const std::size_t i = std::min<std::size_t>(static_cast<std::size_t>(at), anchors.size() - 2);
  const double t = at - static_cast<double>(i);
  const auto channel = [&](std::size_t c) {
    return std::lround(anchors[i][c] * (1 - t) + anchors[i + 1][c] * t);
  };
  return fmt::format("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2));
}

void Range::include(double value) {
  if (!std::isfinite(value)) return;
  const bool first = empty();
  low = first ? value : std::min(low, value);
  high = first ? value : std::max(high, value);
}

void Range::include(const std::vector<double>& values) {
  for (const double value : values) include(value);
}

bool Range::is_point() const {
  return high - low <= 1e-9 * std::max(std::abs(low), std::abs(high));
}

Range Range::padded(double share) const {
  if (empty()) return {0, 1};
  const double length = high - low;
  const double pad = is_point() ? std::max(0.05 * std::abs(low), 0.05) : share * length;
  return {low - pad, high + pad};
}

double Frame::px(double x) const {
  return inner.x + inner.width * (x - x_range.low) / (x_range.high - x_range.low);
}

double Frame::py(double y) const {
  return inner.y + inner.height * (1 - (y - y_range.low) / (y_range.high - y_range.low));
}

std::string text(double x, double y, std::string_view classes, std::string_view anchor,
                 std::string_view content) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" class="{}" text-anchor="{}">{}</text>)", x, y,
                     classes, anchor, escape_markup(content));
}

std::string upright(double x, double y, std::string_view content) {
  return fmt::format(R"~(<g transform="rotate(-90 {:.1f} {:.1f})">{}</g>)~", x, y,
                     text(x, y, "label", "middle", content));
}

std::string rule(double x1, double y1, double x2, double y2, std::string_view classes) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>)", x1,
                     y1, x2, y2, classes);
}

std::string heading(const Box& box, std::string_view title) {
  return text(box.x + 4, box.y + 15, "head", "start", title);
}

std::string tick_text(double value, double step, Unit unit) {
  if (unit == Unit::count) {
    // "20.00 M" reads better as "20 M".
    std::string out = count_text(value);
    const std::size_t dot = out.find(".00 ");
    return dot == std::string::npos ? out : out.erase(dot, 3);
  }
  const double digits = std::clamp(std::ceil(-std::log10(step) - 1e-9), 0.0, 12.0);
  return fmt::format("{:.{}f}{}", value, static_cast<int>(digits),
                     unit == Unit::percent ? " %" : "");
}

std::string x_axis(const Frame& f, std::string_view label, Unit unit, bool grid) {
  const double bottom = f.inner.y + f.inner.height;
  const int wanted = std::max(2, static_cast<int>(f.inner.width / 60));
  std::vector<double> ticks = nice_ticks(f.x_range.low, f.x_range.high, wanted);
  if (unit == Unit::whole) std::erase_if(ticks, [](double t) { return t != std::round(t); });
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  std::string out;
  for (const double tick : ticks) {
    const double x = f.px(tick);
    out += rule(x, grid ? f.inner.y : bottom, x, bottom + (grid ? 0 : 4), grid ? "grid" : "axis");
    out += text(x, bottom + 16, "tick", "middle", tick_text(tick, step, unit));
  }
  out += rule(f.inner.x, bottom, f.inner.x + f.inner.width, bottom, "axis");
  return out + text(f.inner.x + f.inner.width / 2, bottom + 33, "label", "middle", label);
}

std::string y_axis(const Frame& f, std::string_view label, Unit unit, bool grid, double gutter) {
  const int wanted = std::max(2, static_cast<int>(f.inner.height / 40));
  const std::vector<double> ticks = nice_ticks(f.y_range.low, f.y_range.high, wanted);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  std::string out;
  for (const double tick : ticks) {
    const double y = f.py(tick);
    out += rule(f.inner.x - (grid ? 0 : 4), y, f.inner.x + (grid ? f.inner.width : 0), y,
                grid ? "grid" : "axis");
    out += text(f.inner.x - 7, y + 4, "tick", "end", tick_text(tick, step, unit));
  }
  return out + upright(f.inner.x - gutter + 11, f.inner.y + f.inner.height / 2, label);
}

std::string mark(Mark kind, double x, double y, int color) {
  const int c = color % static_cast<int>(light_series.size());
  switch (kind) {
    case Mark::circle:
      return fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3.6" class="dot f{}"/>)", x, y, c);
    case Mark::diamond:
      return fmt::format(R"(<path d="M{:.1f} {:.1f}l7 7l-7 7l-7 -7z" class="dot f{}"/>)", x, y - 7,
                         c);
    case Mark::cross:
      // Twice, wide below narrow: legible on any colour.
      return fmt::format(R"(<path d="M{0:.1f} {1:.1f}l10 10m-10 0l10 -10" class="halo"/>)"
                         R"(<path d="M{0:.1f} {1:.1f}l10 10m-10 0l10 -10" class="line s{2}"/>)",
                         x - 5, y - 5, c);
  }
  return {};
}

std::string legend(const std::vector<LegendEntry>& entries, double x, double y, double width,
                   double& height) {
  height = entries.empty() ? 0 : 18;
  double at = 0;
  std::string out;
  for (const LegendEntry& entry : entries) {
    const double needed = 40 + letter_width * static_cast<double>(entry.name.size());
    if (at > 0 && at + needed > width) {
      at = 0;
      height += 18;
    }
    const double top = y + height - 18;
    out += fmt::format(R"~(<g transform="translate({:.1f} {:.1f})">{}</g>)~", x + at + 10, top + 8,
                       entry.symbol);
    out += text(x + at + 24, top + 12, "tick", "start", entry.name);
    at += needed;
  }
  return out;
}

std::string document(double width, double height, std::string_view title, std::string_view body) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\"><title>{2}</title>{3}</svg>\n",
      width, height, escape_markup(title), body);
}

std::string standalone(double width, double height, std::string_view title, std::string_view body) {
  return document(width, height, title,
                  fmt::format("<style>{}</style><rect width=\"100%\" height=\"100%\" "
                              "fill=\"#fff\"/>{}",
                              style(false), body));
}

std::string style(bool dark) {
  std::string out = fmt::format(
      ".plot text{{font:11px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:{0}}}"
      ".plot .head{{font-size:13px;font-weight:600;fill:{1}}}.plot .label{{fill:{1}}}"
      ".plot .gone{{text-decoration:line-through;opacity:.65}}"
      ".plot .axis{{stroke:{2};stroke-width:1}}.plot .grid{{stroke:{3};stroke-width:1}}"
      ".plot .line{{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}}"
      ".plot .dash{{stroke-dasharray:5 4}}.plot .halo{{fill:none;stroke:{4};stroke-width:5}}"
      ".plot .dot{{stroke:{4};stroke-width:1.2}}.plot .void{{fill:{3}}}"
      ".plot .before{{fill:{2};opacity:.55}}",
      dark ? "#a9b3bf" : "#4d5864", dark ? "#e6eaef" : "#1b2430", dark ? "#66717e" : "#a7b0ba",
      dark ? "#2c353f" : "#e6e9ed", dark ? "#171d24" : "#ffffff");
  const auto& colors = dark ? dark_series : light_series;
  for (std::size_t i = 0; i < colors.size(); ++i) {
    out += fmt::format(".plot .s{0}{{stroke:{1}}}.plot .f{0}{{fill:{1}}}", i, colors[i]);
  }
  return out;
}

}  // namespace trifold::apps::report::svg
