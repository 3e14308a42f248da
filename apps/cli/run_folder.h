/// The folder of a run, which one process at a time works in.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/holder.h"

namespace trifold::apps {

/// Folders that are made, and removed again where they stay empty.
class MadeFolders {
 public:
  /// Makes `folder` and those above it.
  /// Errors    WriteError: can't be made.
  explicit MadeFolders(const std::filesystem::path& folder);
  ~MadeFolders();
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

 private:
  std::vector<std::filesystem::path> made_;  // the innermost first
};

/// A locked file that names the process that holds it. The kernel gives the lock back when the
/// process ends, however it ends, so what a dead process left behind is taken over. A file that was
/// left by another machine is not: few file systems that machines share carry locks between them.
class HeldFile {
 public:
  /// Errors    Error: another process holds the file, or may hold it on another machine; the text
  ///           names both. WriteError: the file can't be written.
  explicit HeldFile(const std::filesystem::path& path);
  /// Removes the file.
  ~HeldFile();
  HeldFile(const HeldFile&) = delete;
  HeldFile& operator=(const HeldFile&) = delete;

 private:
  std::string path_;
  int refusal_ = 0;  // why the file couldn't be locked; 0: it could
  Descriptor file_;
};

/// A run folder while this process works in it, by its file run.lock. Others may share work that has
/// leases (lease.h), in the folder `leases`.
class RunFolder {
 public:
  /// Makes the folder where there is none; it goes again if nothing is written into it. Temporary files
  /// that killed processes have left go.
  /// Errors    as of MadeFolders and HeldFile.
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

  /// Errors    ConfigError: the folder holds a run, one of the files `traces`, and `resume` is not
  ///           set.
  void require_free(const std::vector<std::string>& traces, bool resume) const;

  /// Writes config.toml.
  /// Errors    WriteError.
  void write_config(const std::string& config) const;

 private:
  std::filesystem::path path_;
  MadeFolders made_;
  HeldFile lock_;
};

}  // namespace trifold::apps
