/// Being asked to stop: SIGTERM, SIGINT, SIGUSR1, SIGHUP or the end of the granted time.
#pragma once

#include <chrono>
#include <csignal>
#include <iterator>

namespace trifold::apps {

/// Catches the signals while it lives, but for a SIGHUP that nohup has made the program ignore; one
/// object at a time. A second SIGINT ends the program at once.
class StopSignal {
 public:
  /// `minutes` from now the time is up; 0: never.
  explicit StopSignal(double minutes = 0);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;

 private:
  static constexpr int signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};

  std::chrono::steady_clock::time_point end_;
  struct sigaction before_[std::size(signals)];
};

}  // namespace trifold::apps
