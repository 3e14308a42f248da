#include <fmt/format.h>

#include <algorithm>

#include "apps/report/format.h"
#include "apps/report/report.h"
#include "apps/report/tables.h"

namespace trifold::apps::report {
namespace {

std::string section(const Table& table) {
  if (table.rows.empty()) return {};
  std::string out = fmt::format("## {}\n\n|", escape_markdown(table.caption));
  for (const Column& column : table.columns) out += ' ' + escape_markdown(column.name) + " |";
  out += "\n|";
  for (const Column& column : table.columns) out += column.number ? " ---: |" : " --- |";
  out += '\n';
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const bool struck = i < table.struck.size() && table.struck[i];
    out += '|';
    for (const std::string& cell : table.rows[i]) {
      const std::string text = escape_markdown(cell);
      out += struck && !text.empty() ? fmt::format(" ~~{}~~ |", text) : fmt::format(" {} |", text);
    }
    out += '\n';
  }
  return out + '\n';
}

std::string bullets(const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string out = fmt::format("## {}\n\n", title);
  for (const std::string& line : lines) out += "- " + escape_markdown(line) + '\n';
  return out + '\n';
}

// Four spaces make a code block whose content needs no escape.
std::string code_block(const std::string& text) { return "    " + in_one_line(text) + "\n\n"; }

// Letters as a terminal counts them: bytes of UTF-8 that begin one.
std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string to_markdown(const Report& report) {
  const Target& target = report.target;
  std::string out = fmt::format("# {}\n\n", escape_markdown(report.title));
  if (!report.command_line.empty()) out += code_block(report.command_line);
  if (!target.cost_model.empty()) {
    out += fmt::format("Target: {} of the original cost, counted as {}.",
                       percent_text(100 * target.ratio), escape_markdown(target.cost_model));
    if (target.macs_before > 0 && target.macs > 0) {
      out += fmt::format(
          " Achieved: {} MACs ({} fewer), {} parameters.",
          count_text(static_cast<double>(target.macs)),
          times_text(static_cast<double>(target.macs_before) / static_cast<double>(target.macs)),
          count_text(static_cast<double>(target.params)));
    }
    out += "\n\n";
  }
  out += bullets("Warnings", report.warnings);
  out += section(summary_rows(report));
  out += section(points_table(report));
  out += section(certainty_table(report));
  out += section(predictor_table(report));
  out += section(families_table(report));
  out += section(comparison_table(report));
  out += section(blocks_table(report));
  out += section(layers_table(report));
  out += section(samples_table(report));
  out += bullets("Notes", report.notes);
  out += section(facts_table(report));
  out.pop_back();
  return out;
}

std::string summary_table(const Report& report) {
  const Table table = summary_rows(report);
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(column.name);
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<std::size_t> widths(table.columns.size());
  for (const auto& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c) widths[c] = std::max(widths[c], letters(line[c]));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t c = 0; c < line.size(); ++c) {
      const std::string fill(widths[c] - letters(line[c]), ' ');
      if (c > 0) row += "  ";
      row += table.columns[c].number ? fill + line[c] : line[c] + fill;
    }
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + '\n';
  }
  return out;
}

}  // namespace trifold::apps::report
