#include "apps/report/svg.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "apps/report/format.h"
#include "kernels/runtime/error.h"
#include "tests/apps/report_markup.h"

namespace trifold::apps::report {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST(ReportFormat, WritesNumbersForPeople) {
  EXPECT_EQ(count_text(40552000), "40.55 M");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1.00 k");
  EXPECT_EQ(count_text(999999), "1.00 M");
  EXPECT_EQ(count_text(-2500), "-2.50 k");
  EXPECT_EQ(count_text(1e21), "1000000.00 P");
  EXPECT_EQ(count_text(nan), "n/a");
  EXPECT_EQ(percent_text(91.73), "91.73 %");
  EXPECT_EQ(percent_text(infinity), "n/a");
  EXPECT_EQ(times_text(2), "2.00x");
  EXPECT_EQ(times_text(nan), "n/a");
  EXPECT_EQ(list_text({16, 32, 64}), "16, 32, 64");
}

TEST(ReportFormat, CarriesSecondsIntoMinutesAndHours) {
  EXPECT_EQ(duration_text(8.41), "8.4 s");
  EXPECT_EQ(duration_text(59.97), "1 min 00 s");
  EXPECT_EQ(duration_text(73), "1 min 13 s");
  EXPECT_EQ(duration_text(3599.6), "1 h 00 min");
  EXPECT_EQ(duration_text(7384), "2 h 03 min");
  EXPECT_EQ(duration_text(-1), "n/a");
}

TEST(ReportFormat, EscapesMarkupAndMarkdown) {
  EXPECT_EQ(escape_markup("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(escape_markup(std::string("a\x01z\n", 4)), "a\xEF\xBF\xBDz\n");
  EXPECT_EQ(escape_markdown("a|b\n<i>*_`"), "a\\|b \\<i\\>\\*\\_\\`");
}

TEST(ReportTicks, AreRoundAndInside) {
  EXPECT_EQ(svg::nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const std::vector<double> ticks = svg::nice_ticks(0.873, 0.941, 4);
  ASSERT_EQ(ticks.size(), 4U);
  EXPECT_NEAR(ticks[0], 0.88, 1e-12);
  EXPECT_NEAR(ticks[3], 0.94, 1e-12);
  for (const double scale : {1e-9, 1.0, 3.7e11}) {
    for (int wanted = 2; wanted < 12; ++wanted) {
      const auto some = svg::nice_ticks(-1.3 * scale, 2.9 * scale, wanted);
      EXPECT_GE(some.size(), static_cast<std::size_t>(wanted) / 2);
      EXPECT_LE(some.size(), 2 * static_cast<std::size_t>(wanted));
      for (const double tick : some) {
        EXPECT_GE(tick, -1.3 * scale * (1 + 1e-9));
        EXPECT_LE(tick, 2.9 * scale * (1 + 1e-9));
      }
    }
  }
}

TEST(ReportTicks, AreNoneForAnImproperRange) {
  EXPECT_TRUE(svg::nice_ticks(1, 1, 5).empty());
  EXPECT_TRUE(svg::nice_ticks(2, 1, 5).empty());
  EXPECT_TRUE(svg::nice_ticks(nan, 1, 5).empty());
  EXPECT_TRUE(svg::nice_ticks(0, infinity, 5).empty());
  EXPECT_TRUE(svg::nice_ticks(-1e308, 1.7e308, 5).empty());
  EXPECT_TRUE(svg::nice_ticks(0, 1, 0).empty());
  EXPECT_TRUE(svg::nice_ticks(0.3, std::nextafter(0.3, 1), 5).empty());
  EXPECT_TRUE(svg::nice_ticks(1e15, 1e15 + 2, 5).empty());
}

TEST(ReportSvg, AxesOfWholeNumbersHaveNoTicksBetweenThem) {
  svg::Chart chart{.title = "t", .x_label = "epoch", .y_label = "y", .x_unit = svg::Unit::whole};
  chart.lines.push_back({"s", {1, 2, 3}, {0.1, 0.2, 0.3}});
  const std::string drawn = svg::draw(chart, {0, 0, 480, 300});
  EXPECT_NE(drawn.find(">2<"), std::string::npos) << drawn;
  EXPECT_EQ(drawn.find(">1.5<"), std::string::npos) << drawn;
  EXPECT_EQ(drawn.find(">2.0<"), std::string::npos) << drawn;
}

TEST(ReportSvg, ViridisGrowsLighterAndIsClamped) {
  const auto lightness = [](const std::string& color) {
    const auto channel = [&](std::size_t at) {
      return std::stoi(color.substr(at, 2), nullptr, 16);
    };
    return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  };
  for (int i = 0; i < 50; ++i) {
    EXPECT_LT(lightness(svg::viridis(i / 50.0)), lightness(svg::viridis((i + 1) / 50.0)));
  }
  EXPECT_EQ(svg::viridis(-3), "#440154");
  EXPECT_EQ(svg::viridis(7), "#fde725");
}

TEST(ReportSvg, LineBreaksWhereAValueIsMissing) {
  svg::Chart chart{"t", "x", "y"};
  chart.lines.push_back({"", {0, 1, 2, 3, 4}, {1, 2, nan, 2, 1}});
  const std::string body = svg::draw(chart, {0, 0, 300, 200});
  const std::size_t path = body.find("<path d=\"");
  ASSERT_NE(path, std::string::npos);
  const std::string commands = body.substr(path + 9, body.find('"', path + 9) - path - 9);
  EXPECT_EQ(occurrences(commands, "M"), 2U);
  EXPECT_EQ(occurrences(commands, "L"), 2U);
  EXPECT_EQ(occurrences(body, "nan"), 0U);
}

TEST(ReportSvg, EmptyAndConstantChartsAreDrawn) {
  svg::Chart chart{"t", "x", "y"};
  EXPECT_EQ(markup_defect(svg::draw(chart, {0, 0, 300, 200})), "");
  chart.scatters.push_back({"one", {0.5}, {0.5}});
  const std::string body = svg::draw(chart, {0, 0, 300, 200});
  EXPECT_EQ(markup_defect(body), "");
  EXPECT_EQ(occurrences(body, "nan"), 0U);
  EXPECT_EQ(occurrences(body, "inf"), 0U);
}

TEST(ReportSvg, HeatMapLeavesNanCellsOut) {
  svg::HeatMap map{"t", "x", "y", "v", "empty"};
  map.x = {0, 1, 2};
  map.y = {0, 1};
  map.values = {0.1, nan, 0.2, 0.3, nan, nan};
  map.marks.push_back({"in", {1}, {1}});
  map.marks.push_back({"", {40}, {1}});
  const std::string body = svg::draw(map, {0, 0, 400, 300});
  EXPECT_EQ(markup_defect(body), "");
  const std::size_t start = body.find("crispEdges");
  const std::string cells = body.substr(start, body.find("</g>", start) - start);
  EXPECT_EQ(occurrences(cells, "<rect"), 3U);
  EXPECT_EQ(occurrences(cells, svg::viridis(0)), 1U);
  EXPECT_EQ(occurrences(cells, svg::viridis(1)), 1U);
  EXPECT_EQ(occurrences(body, "<circle"), 2U) << "one in the legend, one inside the grid";
  EXPECT_EQ(occurrences(body, ">nan"), 0U);

  map.values.assign(6, nan);
  EXPECT_EQ(markup_defect(svg::draw(map, {0, 0, 400, 300})), "");
  map.values.assign(6, 0.5);
  EXPECT_EQ(occurrences(svg::draw(map, {0, 0, 400, 300}), "nan"), 0U);
}

TEST(ReportSvg, RefusesWhatDoesNotFitTogether) {
  svg::Chart chart{"t", "x", "y"};
  chart.lines.push_back({"a", {0, 1}, {1}});
  EXPECT_THROW(svg::draw(chart, {0, 0, 300, 200}), ShapeError);
  svg::HeatMap map{"t", "x", "y", "v", ""};
  EXPECT_THROW(svg::draw(map, {0, 0, 300, 200}), ShapeError);
  map.x = {0, 1};
  map.y = {1, 0};
  map.values = {1, 2, 3, 4};
  EXPECT_THROW(svg::draw(map, {0, 0, 300, 200}), ShapeError);
  map.y = {0, 1};
  EXPECT_NO_THROW(svg::draw(map, {0, 0, 300, 200}));
  map.values.pop_back();
  EXPECT_THROW(svg::draw(map, {0, 0, 300, 200}), ShapeError);
}

TEST(ReportSvg, BarsKeepLongNamesWholeInTheTooltip) {
  svg::Bars bars{"t", "MACs"};
  bars.rows.push_back({"a.very.long.layer.name.indeed<", 2e6, 1e6});
  bars.rows.push_back({"gone", 1e6, 9e9, true});
  const std::string body = svg::draw(bars, {0, 0, 400, svg::bars_height(bars)});
  EXPECT_EQ(markup_defect(body), "");
  EXPECT_EQ(occurrences(body, "a.very.long.layer.name.indeed&lt;: 2.00 M before"), 1U);
  EXPECT_EQ(occurrences(body, "gone: 1.00 M before, removed"), 1U);
  EXPECT_EQ(occurrences(body, "9 G"), 0U) << "a removed layer must not stretch the axis";
}

}  // namespace
}  // namespace trifold::apps::report
