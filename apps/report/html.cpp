#include <fmt/format.h>

#include "apps/report/format.h"
#include "apps/report/plots.h"
#include "apps/report/report.h"
#include "apps/report/svg.h"
#include "apps/report/tables.h"

namespace trifold::apps::report {
namespace {

constexpr const char* light_colors =
    ":root{--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5a6572;--rule:#e1e5ea;"
    "--accent:#0b6bb3;--warn:#8a4b00;--warn-page:#fff5e2}";
constexpr const char* dark_colors =
    ":root{--page:#10151a;--card:#171d24;--ink:#e6eaef;--soft:#a0aab6;--rule:#2c353f;"
    "--accent:#62b5f5;--warn:#ffc46b;--warn-page:#2b2213}";
constexpr const char* layout = R"(
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
 font:15px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main{max-width:1160px;margin:0 auto;padding:40px 20px 64px}
h1{font-size:28px;line-height:1.2;letter-spacing:-.015em;margin:0 0 6px}
h2{font-size:18px;letter-spacing:-.01em;margin:44px 0 12px}
p{margin:0 0 12px;max-width:72ch}
.lead{color:var(--soft)}
pre{margin:14px 0 0;padding:10px 14px;background:var(--card);border:1px solid var(--rule);
 border-radius:8px;font:13px/1.5 ui-monospace,'DejaVu Sans Mono',Menlo,monospace;
 white-space:pre-wrap;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;
 margin:24px 0 0}
.tile,.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;min-width:0}
.tile{padding:14px 16px}
.tile b{display:block;font-size:26px;line-height:1.25;font-weight:650;letter-spacing:-.02em;
 font-variant-numeric:tabular-nums}
.tile span{display:block;color:var(--soft);font-size:13px}
.card{padding:14px;overflow-x:auto;margin:0 0 14px}
.grid{display:grid;gap:14px;align-items:start}
.grid .card{margin:0}
.three{grid-template-columns:repeat(auto-fit,minmax(min(100%,310px),1fr))}
.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
svg.plot{display:block;max-width:100%;height:auto;margin:0 auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:13px;padding:0 8px 8px}
th,td{padding:6px 8px;text-align:left;border-bottom:1px solid var(--rule);white-space:nowrap}
thead th{font-weight:600;font-size:13px;color:var(--soft)}
tbody th{font-weight:500}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right}
.wrap th,.wrap td{white-space:normal;overflow-wrap:anywhere}
.gone>*{color:var(--soft);text-decoration:line-through}
.warn{margin:24px 0 0;padding:12px 16px;border-left:4px solid var(--warn);
 background:var(--warn-page);border-radius:0 8px 8px 0}
.warn b{color:var(--warn)}
ul{margin:4px 0 0;padding-left:20px}
@media(max-width:560px){main{padding:24px 12px 40px}h1{font-size:23px}.tiles{grid-template-columns:1fr 1fr}
 .tile{padding:10px 12px}.tile b{font-size:20px}.card{padding:10px}}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}}
)";

std::string style_sheet() {
  return fmt::format("<style>{}{}{}@media(prefers-color-scheme:dark){{{}{}}}</style>\n",
                     light_colors, layout, svg::style(false), dark_colors, svg::style(true));
}

std::string table_element(const Table& table, const std::string& classes = "") {
  if (table.rows.empty()) return {};
  std::string out = fmt::format("<table{}><caption>{}</caption>\n<thead><tr>",
                                classes.empty() ? "" : " class=\"" + classes + "\"",
                                escape_markup(table.caption));
  for (const Column& column : table.columns) {
    out += fmt::format("<th scope=\"col\"{}>{}</th>", column.number ? " class=\"n\"" : "",
                       escape_markup(column.name));
  }
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const bool struck = i < table.struck.size() && table.struck[i];
    out += struck ? "<tr class=\"gone\">" : "<tr>";
    for (std::size_t c = 0; c < table.rows[i].size(); ++c) {
      const std::string cell = escape_markup(table.rows[i][c]);
      out += c == 0 ? fmt::format("<th scope=\"row\">{}</th>", cell)
                    : fmt::format("<td{}>{}</td>", table.columns[c].number ? " class=\"n\"" : "",
                                  cell);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>\n";
}

std::string card(const std::string& content) {
  return content.empty() ? content : fmt::format("<div class=\"card\">{}</div>\n", content);
}

std::string grid(const char* columns, const std::vector<std::string>& contents) {
  std::string cards;
  for (const std::string& content : contents) cards += card(content);
  return cards.empty() ? cards : fmt::format("<div class=\"grid {}\">\n{}</div>\n", columns, cards);
}

// A heading only where something stands below it.
std::string section(const char* title, const std::string& content) {
  return content.empty() ? content
                         : fmt::format("<section><h2>{}</h2>\n{}</section>\n", title, content);
}

std::string bullets(const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string out = "<ul>";
  for (const std::string& line : lines) out += fmt::format("<li>{}</li>", escape_markup(line));
  return out + "</ul>\n";
}

std::string tile(const std::string& value, const std::string& meaning) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escape_markup(value),
                     escape_markup(meaning));
}

std::string before_after(std::int64_t before, std::int64_t after) {
  return fmt::format("{} → {}", count_text(static_cast<double>(before)),
                     count_text(static_cast<double>(after)));
}

std::string tiles(const Report& report) {
  const Target& target = report.target;
  std::string out;
  if (target.macs > 0 && target.macs_before > 0) {
    const double after = static_cast<double>(target.macs);
    const double before = static_cast<double>(target.macs_before);
    out += tile(times_text(before / after),
                "fewer MACs: " + before_after(target.macs_before, target.macs));
  }
  if (target.params > 0 && target.params_before > 0) {
    const double after = static_cast<double>(target.params);
    const double before = static_cast<double>(target.params_before);
    out += tile(times_text(before / after),
                "fewer parameters: " + before_after(target.params_before, target.params));
  }
  if (report.summary.size() > 1) {
    const SummaryRow &first = report.summary.front(), &last = report.summary.back();
    if (first.test_top1 && last.test_top1) {
      out += tile(percent_text(*last.test_top1),
                  fmt::format("test top-1, from {}", percent_text(*first.test_top1)));
    }
    if (first.images_per_second && last.images_per_second && *first.images_per_second > 0) {
      out +=
          tile(times_text(*last.images_per_second / *first.images_per_second), "measured images/s");
    }
  }
  return out.empty() ? out : fmt::format("<div class=\"tiles\">\n{}</div>\n", out);
}

std::string header(const Report& report) {
  std::string out = fmt::format("<header><h1>{}</h1>\n", escape_markup(report.title));
  std::string lead;
  for (const std::string& part : {report.model, report.dataset}) {
    if (!part.empty()) lead += (lead.empty() ? "" : " on ") + part;
  }
  if (!report.target.cost_model.empty()) {
    lead += fmt::format("{}target {} of the original cost, counted as {}", lead.empty() ? "" : "; ",
                        percent_text(100 * report.target.ratio), report.target.cost_model);
  }
  if (!lead.empty()) out += fmt::format("<p class=\"lead\">{}</p>\n", escape_markup(lead));
  if (!report.command_line.empty()) {
    out += fmt::format("<pre>{}</pre>\n", escape_markup(report.command_line));
  }
  out += tiles(report);
  if (!report.warnings.empty()) {
    out += fmt::format("<div class=\"warn\" role=\"note\"><b>Warnings</b>{}</div>\n",
                       bullets(report.warnings));
  }
  return out + "</header>\n";
}

}  // namespace

std::string to_html(const Report& report) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n";
  out += fmt::format("<title>{}</title>\n", escape_markup(report.title)) + style_sheet();
  out += "</head>\n<body>\n<main>\n" + header(report);
  out += section("Result", card(table_element(summary_rows(report))));
  out += section("Chosen network",
                 grid("two", {surface_plot(report), table_element(points_table(report), "wrap")}) +
                     card(table_element(certainty_table(report))));
  out += section("Accuracy along each dimension", grid("three", axis_plots(report)));
  const std::string samples = table_element(samples_table(report));
  out += section("Accuracy predictor",
                 grid("two", {table_element(predictor_table(report), "wrap"), samples}) +
                     card(table_element(families_table(report))));
  out += section("Training", grid("two", training_plots(report)));
  out +=
      section("Other choices of the same cost", grid("two", comparison_plots(report)) +
                                                    card(table_element(comparison_table(report))));
  out += section("Blocks", card(table_element(blocks_table(report))));
  out += section("Layers", card(layer_plot(report)) + card(table_element(layers_table(report))));
  out += section("Notes", card(bullets(report.notes)));
  out += section("Provenance", card(table_element(facts_table(report), "wrap")));
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace trifold::apps::report
