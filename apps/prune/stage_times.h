/// How long a run took.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace trifold::apps {

/// Wall time of each stage, over all processes that worked on a run. It has a file of its own
/// beside the journal: the journal has the same bits whenever the run is repeated or resumed.
class StageTimes {
 public:
  struct Entry {
    std::string stage;
    double seconds;
  };

  /// Goes on from the times in `file`, if there are any. Where the name is empty, none is written.
  /// Errors    FileError: the file is damaged.
  explicit StageTimes(std::filesystem::path file);

  /// From here on time counts for `stage`.
  void start(const std::string& stage);
  /// Adds the time since start() or the last save() and writes the file. Where the process is
  /// killed, what came after the last save() is not counted.
  void save();

  /// In the order of their first start.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::filesystem::path file_;
  std::vector<Entry> entries_;
  std::string stage_;
  Clock::time_point counted_until_;
};

}  // namespace trifold::apps
