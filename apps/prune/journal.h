/// The record of a pruning run: which steps are done and what they yielded.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "apps/prune/results_json.h"
#include "apps/prune/step_files.h"
#include "engine/json_text.h"

namespace trifold::apps {

/// CRC-32 of a file's bytes in hexadecimal: tells a run's input from another file of its name.
/// Errors    FileError: can't be read.
std::string crc32_of_file(const std::filesystem::path& path);

/// Steps by name, each with its result as JSON in a file of its own, steps/NAME.json with a CRC-32, and
/// what the run was asked for in journal.json (step_files.h). No file is written twice, so processes that share a
/// run (share.h) have one journal, the union of their files. A step that a kill interrupts simply runs
/// again; since steps are deterministic, the run ends with the same bits as one that nobody
/// interrupted.
class Journal {
 public:
  /// Opens the journal of a run folder, or starts one that belongs to `settings`.
  /// Errors    FileError: damage. ConfigError naming the difference: the journal was started with
  ///           other settings.
  Journal(std::filesystem::path folder, const nlohmann::json& settings);

  /// Reads what other processes have recorded since.
  /// Errors    FileError: damage.
  void refresh();

  bool has(const std::string& step) const { return steps_.contains(step); }
  /// Names of the steps that are done, in alphabetical order.
  std::vector<std::string> steps() const;

  /// The step's result.
  /// Errors    ConfigError: the step is not done; the text names it. FileError: its record is
  ///           damaged.
  template <class Result>
  Result at(const std::string& step) const {
    try {
      return record(step).get<Result>();
    } catch (const nlohmann::json::exception& e) {
      refuse(record_file(folder_, step), engine::problem(e));
    }
  }

  /// The step's result, from the journal where it is done, else from `work`, whose result is then
  /// recorded. Files that the step makes have to be complete when `work` returns.
  template <class Result>
  Result run(const std::string& step, const std::function<Result()>& work) {
    if (has(step)) return at<Result>(step);
    Result result = work();
    add(step, result);
    return result;
  }

 private:
  const nlohmann::json& record(const std::string& step) const;
  void add(const std::string& step, nlohmann::json result);
  void require_same_settings() const;
  void read(const std::filesystem::path& file);
  std::string remedy() const;
  [[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) const;

  std::filesystem::path folder_;
  nlohmann::json settings_;
  nlohmann::json steps_ = nlohmann::json::object();
  std::set<std::filesystem::path> read_;  // names of files whose steps these are
};

}  // namespace trifold::apps
