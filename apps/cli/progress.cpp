#include "apps/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace trifold::apps {
namespace {

constexpr std::chrono::milliseconds redraw_every{100};
constexpr std::chrono::seconds line_every{15};
constexpr int bar_width = 24;

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

bool wants_colour() {
  const char* no = std::getenv("NO_COLOR");
  return no == nullptr || *no == '\0';
}

}  // namespace

std::string duration_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 3.6e8) + 0.5);
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

ProgressBar::ProgressBar(std::string label, std::string unit, std::int64_t total)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(std::max<std::int64_t>(total, 1)),
      terminal_(is_terminal()),
      colour_(terminal_ && wants_colour()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

void ProgressBar::say(const std::string& line) {
  clear();
  fmt::print(stderr, "{}\n", line);
}

void ProgressBar::update(std::int64_t done, const std::function<std::string()>& note) {
  const Clock::time_point now = Clock::now();
  if (first_ < 0) {
    first_ = done;
    start_ = last_ = now;
    return;
  }
  if (now - last_ < (terminal_ ? Clock::duration(redraw_every) : Clock::duration(line_every))) {
    return;
  }
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  draw(done, static_cast<double>(done - first_) / std::max(seconds, 1e-9), note());
}

void ProgressBar::draw(std::int64_t done, double rate, const std::string& note) {
  const double left = static_cast<double>(total_ - done) / std::max(rate, 1e-9);
  const std::string facts = fmt::format("{}/{} {}  {:.1f}/s  {} left  {}", done, total_, unit_,
                                        rate, duration_text(left), note);
  if (!terminal_) {
    fmt::print(stderr, "{}: {}\n", label_, facts);
    return;
  }
  const auto full = static_cast<int>(std::clamp<std::int64_t>(done * bar_width / total_, 0, 24));
  std::string bar;
  for (int i = 0; i < bar_width; ++i) bar += i < full ? "█" : "·";
  fmt::print(stderr, "\r\x1b[K{} {}{}{} {}", label_, colour_ ? "\x1b[36m" : "", bar,
             colour_ ? "\x1b[0m" : "", facts);
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace trifold::apps
