/// Where the time goes: the calls of every kernel, summed up and as a time line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// One call of a kernel, in nanoseconds since the profile began.
struct ProfiledCall {
  const char* op;
  std::int64_t begin, end;
  int thread;  ///< 0 is the first thread that called a kernel
};

/// All calls of one kernel.
struct ProfiledOp {
  std::int64_t calls = 0;
  double seconds = 0;
};

/// Starts to record; what was recorded before is dropped. While a profile runs, calls for a CUDA
/// device wait until the device is done, so that their times are the device's and not the host's.
void start_profile();

/// Stops to record. The calls of threads that are inside a kernel are left out.
void stop_profile();

bool is_profiling();

/// By name.
std::map<std::string, ProfiledOp> profiled_ops();

/// In the order in which they ended. The first 2^20: later ones are summed up only.
std::vector<ProfiledCall> profiled_calls();

/// Records the time from its construction to its destruction as a call of `op`, a string that
/// lasts, if a profile runs.
class ProfiledScope {
 public:
  ProfiledScope(const Exec& ex, const char* op);
  ~ProfiledScope();
  ProfiledScope(const ProfiledScope&) = delete;
  ProfiledScope& operator=(const ProfiledScope&) = delete;

 private:
  const Exec& ex_;
  const char* op_;
  std::int64_t begin_;  // negative: no profile runs
};

}  // namespace trifold::kernels
