/// The record of a pruning run: which steps are done and what they yielded.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace trifold::apps {

/// CRC-32 of a file's bytes in hexadecimal: tells a run's input from another file of its name.
/// Errors    FileError: can't be read.
std::string crc32_of_file(const std::filesystem::path& path);

/// Steps by name, each with its result as JSON, kept in one file that is replaced atomically after
/// every step. A step that a kill interrupts simply runs again; since steps are deterministic, the
/// run ends with the same bits as one that nobody interrupted.
class Journal {
 public:
  /// Opens the journal of a run folder, or starts one that belongs to `settings`.
  /// Errors    FileError: damage. ConfigError naming the difference: the journal was started with
  ///           other settings.
  Journal(std::filesystem::path path, const nlohmann::json& settings);

  bool has(const std::string& step) const { return steps_.contains(step); }
  /// All steps that are done, by name.
  const nlohmann::json& steps() const { return steps_; }
  /// Errors    ConfigError: the step is not done; the text names it.
  const nlohmann::json& at(const std::string& step) const;

  /// The step's result, from the journal where it is done, else from `work`, whose result is then
  /// recorded. Files that the step makes have to be complete when `work` returns.
  const nlohmann::json& run(const std::string& step, const std::function<nlohmann::json()>& work);

 private:
  void write() const;

  std::filesystem::path path_;
  nlohmann::json settings_;
  nlohmann::json steps_ = nlohmann::json::object();
};

}  // namespace trifold::apps
