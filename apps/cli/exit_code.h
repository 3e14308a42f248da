/// What a program tells its caller, and the one place that decides it.
#pragma once

#include <functional>
#include <string>

#include "kernels/runtime/error.h"

namespace trifold::apps {

enum ExitCode : int {
  exit_ok = 0,
  exit_failure = 1,       ///< a failure at run time: no such device, a full disk, no memory
  exit_usage = 2,         ///< ConfigError: flags or configuration
  exit_bad_file = 3,      ///< FileError: an input file
  exit_target = 4,        ///< TargetError: the target can't be met
  exit_diverged = 5,      ///< DivergedError: a value is not finite
  exit_verification = 6,  ///< VerificationError: a result differs from what it has to be
  exit_stopped = 75,      ///< stopped after a checkpoint: run again with --resume
};

/// A result that differs from what it has to be.
class VerificationError : public Error {
 public:
  using Error::Error;
};

/// Runs a program's body and returns its exit code. Whatever it throws becomes one line on stderr,
/// "error: <sentence>", and the code of its type. Standard files that are closed stay so: no other
/// file that the program opens takes their place.
int run_app(const std::function<int()>& body);

/// Tells the user what is no error, but not what he may expect: "note: <sentence>" on stderr.
void note(const std::string& sentence);

/// Calls `work`, which trains; where that diverges, the sentence ends with the flag to lower.
template <class F>
auto naming_rate(const char* flag, F&& work) {
  try {
    return work();
  } catch (const DivergedError& e) {
    throw DivergedError(fmt::format("{}; lower {}", e.what(), flag));
  }
}

}  // namespace trifold::apps
