#include "apps/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "apps/cli/message.h"
#include "apps/cli/text.h"

namespace trifold::apps {
namespace {

constexpr std::chrono::milliseconds redraw_every{100};
constexpr std::chrono::seconds line_every{15};
constexpr int bar_width = 24, least_bar_width = 4;

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

// Asked at every drawing: a terminal can be resized.
int terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
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

ProgressBar::ProgressBar(std::string label, std::string unit, std::int64_t total, bool shown)
    : label_(printable(label)),
      unit_(std::move(unit)),
      total_(std::max<std::int64_t>(total, 1)),
      shown_(shown),
      terminal_(is_terminal()),
      colour_(terminal_ && wants_colour()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (drawn_) message("\r\x1b[K");
  drawn_ = false;
}

void ProgressBar::say(const std::string& line) {
  if (!shown_) return;
  clear();
  message(line + "\n");
}

void ProgressBar::update(std::int64_t done, const std::function<std::string()>& note) {
  if (!shown_) return;
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
  const std::string facts[] = {fmt::format("{}/{} {}", done, total_, unit_),
                               fmt::format("{} left", duration_text(left)), note,
                               fmt::format("{:.1f}/s", rate)};
  if (!terminal_) {
    message(fmt::format("{}: {}\n", label_, fmt::join(facts, "  ")));
    return;
  }
  // The last column stays free: some terminals begin a new line as soon as it is written to. What
  // doesn't fit is left out from the back, a fact at a time: half a number would be another one.
  const int columns = terminal_columns() - 1;
  std::string text = facts[0];
  const auto room = [&] { return columns - columns_of(label_) - 1 - columns_of(text); };
  for (std::size_t i = 1; i < std::size(facts) && room() >= columns_of(facts[i]) + 2; ++i) {
    text += "  " + facts[i];
  }
  std::string line = label_ + " ";
  if (const int width = std::min(room() - 1, bar_width); width >= least_bar_width) {
    const auto full = std::clamp<std::int64_t>(done * width / total_, 0, width);
    line += colour_ ? "\x1b[36m" : "";
    for (std::int64_t i = 0; i < width; ++i) line += i < full ? "█" : "·";
    line += (colour_ ? "\x1b[0m " : " ") + text;
  } else {
    line = fit_columns(line + text, columns);
  }
  message("\r\x1b[K" + line);
  drawn_ = true;
}

}  // namespace trifold::apps
