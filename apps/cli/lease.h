/// Pieces of work that processes share, each in one process's hands at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "apps/cli/holder.h"

namespace trifold::apps {

/// A piece of work in this process's hands: a locked file that names the process, whose time of change
/// a thread renews. On one machine the kernel gives the lock back when the process ends, however it
/// ends; of a process on another machine the file is free when it hasn't been renewed for as long as
/// it says. A lease saves work that would be done twice, no more: whatever is recorded under it has to
/// come out the same and be written atomically, should two ever hold it.
class Lease {
 public:
  Lease(std::string path, Descriptor locked_file);
  /// Removes the file, unless another process has taken it over.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  std::string path_;
  Descriptor file_, stop_;
  std::thread renewal_;
};

/// The leases of a folder, as this process sees them.
class Leases {
 public:
  /// A lease, or who has it.
  struct Claim {
    std::unique_ptr<Lease> lease;
    std::string holder;  ///< such as "process 12 on host"
  };

  explicit Leases(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Tries to take the lease `name`; doesn't wait.
  /// Errors    WriteError: it can't be written.
  Claim take(const std::string& name);

 private:
  // A lease of another machine. How long it stays unchanged is told by the clock of this one.
  struct Sighting {
    std::filesystem::file_time_type renewed;
    std::chrono::steady_clock::time_point since;
  };

  bool is_given_up(int file, const std::string& path);

  std::filesystem::path folder_;
  std::map<std::string, Sighting> seen_;
};

/// Whether a process may be at work under a lease of the folder, on this machine or another.
bool any_lease_is_held(const std::filesystem::path& folder);

}  // namespace trifold::apps
