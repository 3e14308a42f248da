/// The records that a run leaves in its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace trifold::apps {

/// metrics.jsonl: one JSON object a line, appended as the run goes on, metrics.tfevents: its
/// numbers as TensorBoard reads them, and summary.csv: a table that is the same for every run with
/// the same options, so it has no times in it.
class RunLog {
 public:
  /// Writes into an existing `folder`.
  explicit RunLog(std::filesystem::path folder);

  /// Keeps the lines of metrics.jsonl whose "epoch" is at most `epoch`. A run that resumes from a
  /// checkpoint does the epochs after it again. Lines that aren't a record of an epoch go, such as
  /// one that a kill has cut off: the checkpoint holds all that the run needs. metrics.tfevents is
  /// made anew of the lines that stay.
  /// Errors    WriteError: a file can't be written.
  void keep_through(std::int64_t epoch) const;

  /// Appends a line to metrics.jsonl, with the time now as "time", in seconds since 1970, and its
  /// numbers to metrics.tfevents, and syncs them to the disk. A line has an "epoch".
  /// Errors    WriteError: not written.
  void append(const nlohmann::json& line) const;

  /// Replaces summary.csv: a column a name, a row an object that has them. Missing values stay
  /// empty. Numbers are written such that they read back exactly.
  /// Errors    WriteError: not written.
  void write_summary(const std::vector<std::string>& columns, const nlohmann::json& rows) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace trifold::apps
