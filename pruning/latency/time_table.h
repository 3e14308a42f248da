/// Measured times on disk: what one run has measured, later ones don't measure again.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace trifold::pruning {

/// The rows of one context (pruning/latency/stopwatch.h) in an SQLite file, in the order in which
/// they were added: work, and the seconds that it takes. Rows of other contexts may stand beside
/// them. A row is never changed, so that what a number of rows tell stays what it was.
class TimeTable {
 public:
  /// Opens the table, or makes an empty one.
  /// Errors    FileError: not a table of times, or a damaged one. WriteError: can't be made.
  TimeTable(std::filesystem::path path, std::string context);

  const std::filesystem::path& path() const { return path_; }
  std::optional<double> find(const std::string& work) const;
  /// A work that is there already keeps its time.
  void add(const std::string& work, double seconds);
  /// Writes what was added. What another process has written meanwhile stays.
  /// Errors    WriteError.
  void save();

  std::size_t rows() const { return rows_.size(); }
  /// CRC-32 of the first `rows` rows in hexadecimal; of all, where there are fewer.
  std::string checksum(std::size_t rows) const;

 private:
  std::filesystem::path path_;
  std::string context_;
  std::vector<std::pair<std::string, double>> rows_;
  std::map<std::string, double> by_work_;
  std::size_t saved_ = 0;  // rows that the file has
};

}  // namespace trifold::pruning
