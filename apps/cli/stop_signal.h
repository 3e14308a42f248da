/// Being asked to stop: SIGTERM, SIGINT, SIGUSR1 or the end of the granted time.
#pragma once

#include <chrono>
#include <csignal>

namespace trifold::apps {

/// Catches the signals while it lives; one object at a time. A second SIGINT ends the program at
/// once.
class StopSignal {
 public:
  /// `minutes` from now the time is up; 0: never.
  explicit StopSignal(double minutes = 0);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;

 private:
  static constexpr int signals[] = {SIGTERM, SIGINT, SIGUSR1};

  std::chrono::steady_clock::time_point end_;
  struct sigaction before_[3];
};

}  // namespace trifold::apps
