/// --profile: where a program's time went.
#pragma once

#include <chrono>
#include <string>

#include "apps/cli/option_set.h"

namespace trifold::apps {

/// The table of a profile: each kernel's calls, time and share of `seconds`, the greatest first, and
/// what was spent outside of kernels.
std::string profile_table(double seconds);

/// The calls of a profile as a time line in the Trace Event Format, which chrome://tracing and
/// ui.perfetto.dev show.
/// Effects   replaces `path`.
/// Errors    WriteError: it can't be written.
void write_profile_trace(const std::string& path);

/// Profiles the program from start() to finish(), if the flag is given.
class ProfileOption {
 public:
  void add_to(OptionSet& app);
  /// Errors    WriteError: the file can't be written.
  void start();
  /// Prints the table to stderr and writes the time line.
  void finish();

 private:
  std::string path_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace trifold::apps
