#include "apps/cli/run_log.h"

#include <limits>
#include <sstream>

#include "engine/file_io.h"

namespace trifold::apps {
namespace {

constexpr const char* metrics_name = "metrics.jsonl";

std::string cell(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  const std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

RunLog::RunLog(std::filesystem::path folder) : folder_(std::move(folder)) {}

void RunLog::keep_through(std::int64_t epoch) const {
  if (!std::filesystem::exists(folder_ / metrics_name)) return;  // killed before the first line
  constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();
  std::istringstream stream(engine::read_file(folder_ / metrics_name, no_bound));
  std::string kept;
  for (std::string line; std::getline(stream, line);) {
    // A line that was cut off by a kill is not JSON. Nor does a line count that no run has written.
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto number = entry.is_object() ? entry.find("epoch") : entry.end();
    if (number == entry.end() || !number->is_number_integer()) continue;
    if (number->get<std::int64_t>() <= epoch) kept += line + "\n";
  }
  engine::write_file_atomically(folder_ / metrics_name, kept);
}

void RunLog::append(const nlohmann::json& line) const {
  engine::append_to_file(folder_ / metrics_name, line.dump() + "\n");
}

void RunLog::write_summary(const std::vector<std::string>& columns,
                           const nlohmann::json& rows) const {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ",") + column;
  text += "\n";
  for (const nlohmann::json& row : rows) {
    std::string line;
    for (const std::string& column : columns) {
      if (&column != &columns.front()) line += ",";
      line += cell(row.value(column, nlohmann::json()));
    }
    text += line + "\n";
  }
  engine::write_file_atomically(folder_ / "summary.csv", text);
}

}  // namespace trifold::apps
