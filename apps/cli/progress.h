/// How far a long piece of work is, on stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace trifold::apps {

/// At a terminal a bar with rate and remaining time, redrawn in place and cut to the terminal's
/// width; elsewhere a plain line now and then. Colour only at a terminal and without NO_COLOR.
class ProgressBar {
 public:
  /// `unit` is what is counted, such as "batches". One that isn't shown says nothing at all.
  ProgressBar(std::string label, std::string unit, std::int64_t total, bool shown = true);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` of the total; what note() returns is shown behind it, and asked for only where it is
  /// shown. The first call sets where the rate is counted from, so a resumed run shows its own.
  void update(std::int64_t done, const std::function<std::string()>& note);

  /// Writes a line that stays, above the bar.
  void say(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void clear();
  void draw(std::int64_t done, double rate, const std::string& note);

  std::string label_, unit_;
  std::int64_t total_;
  bool shown_, terminal_, colour_;
  bool drawn_ = false;
  std::int64_t first_ = -1;  // `done` of the first update
  Clock::time_point start_, last_;
};

/// "1:02:03", "4:05".
std::string duration_text(double seconds);

}  // namespace trifold::apps
