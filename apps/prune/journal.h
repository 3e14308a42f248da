/// The record of a pruning run: which steps are done and what they yielded.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/prune/results_json.h"
#include "engine/json_text.h"

namespace trifold::apps {

/// CRC-32 of a file's bytes in hexadecimal: tells a run's input from another file of its name.
/// Errors    FileError: can't be read.
std::string crc32_of_file(const std::filesystem::path& path);

/// Steps by name, each with its result as JSON, kept in one file that is replaced atomically after
/// every step, with a CRC-32 of each record. A step that a kill interrupts simply runs again; since steps are deterministic, the
/// run ends with the same bits as one that nobody interrupted.
class Journal {
 public:
  /// Opens the journal of a run folder, or starts one that belongs to `settings`.
  /// Errors    FileError: damage. ConfigError naming the difference: the journal was started with
  ///           other settings.
  Journal(std::filesystem::path path, const nlohmann::json& settings);

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
      refuse(step, engine::problem(e));
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
  [[noreturn]] void refuse(const std::string& step, const std::string& why) const;

  std::filesystem::path path_;
  nlohmann::json settings_;
  nlohmann::json steps_ = nlohmann::json::object();
  nlohmann::json checksums_ = nlohmann::json::object();  // by step
};

}  // namespace trifold::apps
