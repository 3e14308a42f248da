#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/report/report.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "tests/apps/report_markup.h"
#include "tests/apps/report_sample.h"

namespace trifold::apps::report {
namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder of its own for one test, removed at its end.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("trifold_report_" + std::to_string(::getpid()));
  Folder() { std::filesystem::remove_all(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

TEST(ReportPage, IsBalancedAndSelfContained) {
  const std::string page = to_html(full_sample());
  EXPECT_EQ(markup_defect(page), "");
  for (const char* outside : {"<script", "<link", "<img", "src=", "@import", "url(", "href="}) {
    EXPECT_EQ(occurrences(page, outside), 0U) << outside;
  }
  EXPECT_EQ(occurrences(page, "prefers-color-scheme:dark"), 1U);
  EXPECT_EQ(occurrences(page, "<svg"), 9U)
      << "3 axes, surface, 2 of training, 2 of the comparison, layers";
  EXPECT_GE(occurrences(page, "<title>"), 10U);
  EXPECT_EQ(occurrences(page, "<table"), occurrences(page, "<caption>"));
  EXPECT_EQ(occurrences(page, "\"nan"), 0U);
  EXPECT_EQ(occurrences(page, ">nan"), 0U);
}

TEST(ReportPage, ShowsTheNumbers) {
  const std::string page = to_html(full_sample());
  for (const char* fact : {"125.49 M", "250.98 M", "91.73 %", "2.00x", "1.75x", "8, 8, 8",
                           "2 h 03 min", "3, 2, 3", "0.15 points", "18446744073709551615"}) {
    EXPECT_GE(occurrences(page, fact), 1U) << fact;
  }
}

TEST(ReportPage, EscapesEveryText) {
  const std::string evil = "<b onclick=\"x\">&'|</b>";
  Report report = full_sample();
  report.title = report.command_line = report.dataset = report.model = evil;
  report.target.cost_model = evil;
  report.versions[0] = {evil, evil};
  report.summary[0].network = evil;
  report.layers[0].name = report.layers[0].op = report.layers[0].output_before = evil;
  report.samples[0].dimension = report.axes[0].dimension = report.training[0].series = evil;
  report.comparison[0].method = report.blocks[0].name = evil;
  report.notes = report.warnings = {evil};
  EXPECT_EQ(markup_defect(to_html(report)), "");
  EXPECT_EQ(occurrences(to_html(report), "<b on"), 0U);
  EXPECT_EQ(markup_defect(figure_svg(report)), "");
  const std::string markdown = to_markdown(report);
  EXPECT_EQ(occurrences(markdown, "<b onclick="), occurrences(markdown, "\\<b onclick=") + 1)
      << "only the code block with the command line needs no escape";
}

TEST(ReportPage, HasNoControlCharacters) {
  const std::string evil = "\x1b[31m\x07\x7f\xc2\x9b\x01";
  Report report = full_sample();
  report.title = report.command_line = report.model = evil;
  report.layers[0].name = report.summary[0].network = evil;
  report.notes = {evil};
  const std::string markdown = to_markdown(report);
  for (const char* raw : {"\x1b", "\x07", "\x7f", "\xc2\x9b", "\x01"}) {
    EXPECT_EQ(occurrences(markdown, raw), 0U);
  }
  EXPECT_GE(occurrences(markdown, "x1b"), 4U);
}

TEST(ReportPage, LeavesOutWhatIsAbsent) {
  Report report;
  report.title = "empty";
  const std::string page = to_html(report);
  EXPECT_EQ(markup_defect(page), "");
  EXPECT_EQ(occurrences(page, "<svg"), 0U);
  EXPECT_EQ(occurrences(page, "<h2>"), 1U) << "only the provenance, with the seed";
  EXPECT_EQ(markup_defect(figure_svg(report)), "");

  report.summary = {{"unmeasured", {}, {}, {}, {}, {}}};
  EXPECT_EQ(occurrences(to_html(report), "<td class=\"n\">–</td>"), 6U);
  EXPECT_EQ(occurrences(to_markdown(report), "| unmeasured | – | – | – | – | – | – |"), 1U);

  report.continuous = ContinuousPoint{{0.8, 0.9, 0.9}, 93, {0.1, 0.2, 0.2}, 0.1, ""};
  EXPECT_EQ(occurrences(to_html(report), "93.00 %"), 1U);
}

TEST(ReportPage, RefusesCurvesThatDoNotFit) {
  Report report = full_sample();
  report.axes[0].predicted.pop_back();
  EXPECT_THROW(to_html(report), ShapeError);
  EXPECT_THROW(figure_svg(report), ShapeError);
  report = full_sample();
  report.training[0].train_loss.pop_back();
  EXPECT_THROW(to_html(report), ShapeError);
  report = full_sample();
  report.surface->predicted.pop_back();
  EXPECT_THROW(to_html(report), ShapeError);
}

TEST(ReportJson, KeepsEveryValue) {
  const Report report = full_sample();
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["title"], report.title);
  EXPECT_EQ(json["command_line"], report.command_line);
  EXPECT_EQ(json["seed"].get<std::uint64_t>(), report.seed);
  EXPECT_EQ(json["versions"][1]["value"], "GCC 12.2");
  EXPECT_EQ(json["target"]["macs_before"], report.target.macs_before);
  EXPECT_EQ(json["chosen"]["widths"].get<std::vector<std::int64_t>>(), report.chosen->widths);
  EXPECT_EQ(json["chosen"]["at"]["w"], report.chosen->at.w);
  EXPECT_EQ(json["continuous"]["multiplier"], report.continuous->multiplier);
  EXPECT_EQ((json["continuous"]["elasticities"].get<std::array<double, 3>>()),
            report.continuous->elasticities);
  EXPECT_EQ(json["gap"], *report.gap);
  EXPECT_EQ(json["predictor"]["rank_correlation"], *report.predictor->rank_correlation);
  EXPECT_EQ(json["predictor"]["degree"], nlohmann::json({3, 2, 3}));
  EXPECT_EQ(json["predictor"]["family"], "rank1-degree3");
  EXPECT_EQ(json["predictor"]["families"][0]["loo_mae"], 0.41);
  EXPECT_EQ(json["certainty"]["w"]["high"], 0.85);
  EXPECT_EQ(json["certainty"]["biased"][0]["dimension"], "width");
  EXPECT_EQ(json["surface"]["cloud"].size(), 2);
  EXPECT_EQ(json["duration_seconds"], 7384);
  EXPECT_EQ(json["stages"][1], (nlohmann::json{{"stage", "finetune"}, {"seconds", 2384}}));
  EXPECT_EQ(json["summary"][0]["flops"], 2 * *report.summary[0].macs);
  EXPECT_TRUE(json["summary"][1]["test_top1"].is_null());
  ASSERT_EQ(json["layers"].size(), report.layers.size());
  EXPECT_EQ(json["layers"][16]["removed"], true);
  EXPECT_EQ(json["samples"][5]["accuracy"], report.samples[5].accuracy);
  EXPECT_EQ(json["comparison"][0]["time"], 0.55);
  EXPECT_TRUE(json["comparison"][1]["spread"].is_null());
  EXPECT_EQ(json["blocks"][1]["kept"], false);
  EXPECT_EQ(json["axes"][2]["x"].get<std::vector<double>>(), report.axes[2].x);
  EXPECT_EQ(json["axes"][1]["measured"][3]["accuracy"], report.axes[1].measured[3].accuracy);
  EXPECT_EQ(json["training"][1]["train_loss"].get<std::vector<double>>(),
            report.training[1].train_loss);
  ASSERT_EQ(json["surface"]["predicted"].size(), report.surface->predicted.size());
  for (std::size_t i = 0; i < report.surface->predicted.size(); ++i) {
    const auto& cell = json["surface"]["predicted"][i];
    if (std::isnan(report.surface->predicted[i])) {
      EXPECT_TRUE(cell.is_null());
    } else {
      EXPECT_EQ(cell, report.surface->predicted[i]);
    }
  }
  EXPECT_EQ(json["warnings"].size(), 1U);
}

TEST(ReportJson, AbsentIsNullAndBrokenTextIsReplaced) {
  Report report;
  report.command_line = "prune \xff";
  const auto json = nlohmann::json::parse(to_json(report));
  for (const char* name : {"chosen", "continuous", "gap", "predictor", "surface"}) {
    ASSERT_TRUE(json.contains(name)) << name;
    EXPECT_TRUE(json[name].is_null()) << name;
  }
  EXPECT_TRUE(json["layers"].is_array());
  EXPECT_EQ(json["command_line"], "prune \xEF\xBF\xBD");
}

TEST(ReportText, SummaryIsAligned) {
  Report report;
  report.summary = {{"original", 40552000, 855770, 94.12, 93.37, 812.0},
                    {"raw", 20276000, {}, {}, 10, 12.34}};
  EXPECT_EQ(summary_table(report),
            "network      MACs    FLOPs    params  held-out top-1  test top-1  images/s\n"
            "original  40.55 M  81.10 M  855.77 k         94.12 %     93.37 %       812\n"
            "raw       20.28 M  40.55 M         –               –     10.00 %      12.3\n");
}

TEST(ReportText, MarkdownRowsHaveTheHeadersCells) {
  std::size_t cells = 0;
  std::istringstream lines(to_markdown(full_sample()));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] != '|') {
      cells = 0;
      continue;
    }
    if (cells == 0) cells = occurrences(line, "|");
    EXPECT_EQ(occurrences(line, "|"), cells) << line;
  }
}

TEST(ReportFigure, StandsAloneOnWhite) {
  const std::string figure = figure_svg(full_sample());
  EXPECT_EQ(markup_defect(figure), "");
  EXPECT_EQ(figure.rfind("<svg xmlns=", 0), 0U);
  EXPECT_EQ(occurrences(figure, "<style>"), 1U);
  EXPECT_EQ(occurrences(figure, "fill=\"#fff\""), 1U);
}

TEST(ReportFiles, AreWrittenIntoANewFolder) {
  const Folder folder;
  const Report report = full_sample();
  write_report(report, folder.path / "a" / "b");
  EXPECT_EQ(content(folder.path / "a" / "b" / "report.html"), to_html(report));
  EXPECT_EQ(content(folder.path / "a" / "b" / "report.md"), to_markdown(report));
  EXPECT_EQ(content(folder.path / "a" / "b" / "report.json"), to_json(report));
  const auto begin = std::filesystem::directory_iterator(folder.path / "a" / "b");
  EXPECT_EQ(std::distance(begin, std::filesystem::directory_iterator()), 3);
}

TEST(ReportFiles, NameTheFolderThatCannotBeMade) {
  const Folder folder;
  std::filesystem::create_directories(folder.path);
  std::ofstream(folder.path / "file") << "in the way";
  try {
    write_report(full_sample(), folder.path / "file" / "sub");
    FAIL() << "a folder below a file";
  } catch (const engine::WriteError& error) {
    EXPECT_NE(std::string(error.what()).find((folder.path / "file").string()), std::string::npos);
  }
}

}  // namespace
}  // namespace trifold::apps::report
