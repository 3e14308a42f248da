#include "apps/cli/stop_signal.h"

#include <algorithm>

namespace trifold::apps {
namespace {

volatile std::sig_atomic_t caught = 0;

extern "C" void catch_signal(int) { caught = 1; }

}  // namespace

StopSignal::StopSignal(double minutes) : end_(std::chrono::steady_clock::time_point::max()) {
  if (minutes > 0) {
    end_ = std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(
               std::chrono::duration<double, std::ratio<60>>(std::min(minutes, 1e8)));
  }
  caught = 0;
  for (std::size_t i = 0; i < std::size(signals); ++i) {
    struct sigaction action = {};
    action.sa_handler = catch_signal;
    action.sa_flags = SA_RESTART;
    if (signals[i] == SIGINT) action.sa_flags |= static_cast<int>(SA_RESETHAND);
    sigaction(signals[i], &action, &before_[i]);
    const bool ignored = signals[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
    if (ignored) sigaction(signals[i], &before_[i], nullptr);
  }
}

StopSignal::~StopSignal() {
  for (std::size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before_[i], nullptr);
}

bool StopSignal::requested() const {
  return caught != 0 || std::chrono::steady_clock::now() >= end_;
}

}  // namespace trifold::apps
