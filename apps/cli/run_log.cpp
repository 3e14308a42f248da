#include "apps/cli/run_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

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
  std::ifstream stream(folder_ / metrics_name);
  if (!stream) return;  // killed before the first line
  std::string kept;
  for (std::string line; std::getline(stream, line);) {
    // A line that was cut off by a kill is not JSON.
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) continue;
    if (entry.value("epoch", epoch + 1) <= epoch) kept += line + "\n";
  }
  engine::write_file_atomically(folder_ / metrics_name, kept);
}

void RunLog::append(const nlohmann::json& line) const {
  const std::string path = (folder_ / metrics_name).string(), text = line.dump() + "\n";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  written = written && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  require<engine::WriteError>(written, "{}: can't be written ({})", path, std::strerror(reason));
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
