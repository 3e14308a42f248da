#include "apps/cli/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "apps/cli/message.h"
#include "engine/file_io.h"
#include "kernels/runtime/profile.h"

namespace trifold::apps {

std::string profile_table(double seconds) {
  using Row = std::pair<std::string, kernels::ProfiledOp>;
  const std::map<std::string, kernels::ProfiledOp> ops = kernels::profiled_ops();
  std::vector<Row> rows(ops.begin(), ops.end());
  std::ranges::sort(rows, std::greater{}, [](const Row& row) { return row.second.seconds; });
  double inside = 0;
  for (const Row& row : rows) inside += row.second.seconds;
  rows.push_back({"outside of kernels", {0, std::max(0.0, seconds - inside)}});

  std::string table = fmt::format("{:<28}{:>10}{:>12}{:>9}\n", "kernel", "calls", "ms", "share");
  for (const auto& [name, op] : rows) {
    table += fmt::format("{:<28}{:>10}{:>12.1f}{:>7.1f} %\n", name, op.calls, 1e3 * op.seconds,
                         100 * op.seconds / seconds);
  }
  return table;
}

void write_profile_trace(const std::string& path) {
  nlohmann::json events = nlohmann::json::array();
  for (const kernels::ProfiledCall& call : kernels::profiled_calls()) {
    events.push_back({{"name", call.op},
                      {"ph", "X"},  // a complete event; times are microseconds
                      {"ts", static_cast<double>(call.begin) * 1e-3},
                      {"dur", static_cast<double>(call.end - call.begin) * 1e-3},
                      {"pid", 0},
                      {"tid", call.thread}});
  }
  engine::write_file_atomically(path, nlohmann::json{{"traceEvents", std::move(events)}}.dump());
}

void ProfileOption::add_to(OptionSet& app) {
  app.add_option("--profile", path_,
                 "Times every kernel; prints a table, and writes a time line to FILE for "
                 "chrome://tracing or ui.perfetto.dev")
      ->type_name("FILE.json")
      ->configurable(false);
}

void ProfileOption::start() {
  if (path_.empty()) return;
  begin_ = std::chrono::steady_clock::now();
  kernels::start_profile();
  write_profile_trace(path_);  // a path that can't be written ends the program before its work
}

void ProfileOption::finish() {
  if (path_.empty()) return;
  kernels::stop_profile();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
  message(profile_table(spent.count()));
  write_profile_trace(path_);
  message(fmt::format("time line  {}\n", path_));
}

}  // namespace trifold::apps
