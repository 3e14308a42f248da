#include "apps/cli/run_log.h"

#include <limits>
#include <sstream>

#include "apps/cli/tensorboard.h"
#include "engine/file_io.h"

namespace trifold::apps {
namespace {

constexpr const char* metrics_name = "metrics.jsonl";
constexpr const char* events_name = "metrics.tfevents";

// The record of the numbers of a line of metrics.jsonl. Lines of before lines had a time stay without.
std::string event_of(const nlohmann::json& line) {
  std::vector<std::pair<std::string, double>> values;
  for (const auto& [key, value] : line.items()) {
    if (value.is_number() && key != "epoch" && key != "time")
      values.emplace_back(key, value.get<double>());
  }
  const auto time = line.find("time");
  const bool timed = time != line.end() && time->is_number();
  return tensorboard_scalars(timed ? time->get<double>() : 0.0, line.at("epoch"), values);
}

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
  std::string kept, events = tensorboard_beginning(seconds_since_1970());
  if (!std::filesystem::exists(folder_ / metrics_name)) {  // no line yet
    engine::write_file_atomically(folder_ / events_name, events);
    return;
  }
  constexpr std::size_t no_bound = std::numeric_limits<std::size_t>::max();
  std::istringstream stream(engine::read_file(folder_ / metrics_name, no_bound));
  for (std::string line; std::getline(stream, line);) {
    // A line that was cut off by a kill is not JSON. Nor does a line count that no run has written.
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto number = entry.is_object() ? entry.find("epoch") : entry.end();
    if (number == entry.end() || !number->is_number_integer()) continue;
    if (number->get<std::int64_t>() > epoch) continue;
    kept += line + "\n";
    events += event_of(entry);
  }
  engine::write_file_atomically(folder_ / metrics_name, kept);
  engine::write_file_atomically(folder_ / events_name, events);
}

void RunLog::append(const nlohmann::json& line) const {
  nlohmann::json timed = line;
  timed["time"] = seconds_since_1970();
  engine::append_to_file(folder_ / metrics_name, timed.dump() + "\n");
  engine::append_to_file(folder_ / events_name, event_of(timed));
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
