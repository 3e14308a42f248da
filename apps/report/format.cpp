#include "apps/report/format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "apps/cli/text.h"

namespace trifold::apps::report {

std::string count_text(double value) {
  if (!std::isfinite(value)) return "n/a";
  // The next unit begins where rounding to what is shown would print 1000.
  if (std::abs(value) < 999.5) return fmt::format("{:.0f}", value);
  const char* unit = " kMGTP";
  double scaled = value;
  do {
    scaled /= 1000;
    ++unit;
  } while (std::abs(scaled) >= 999.995 && unit[1] != '\0');
  return fmt::format("{:.2f} {}", scaled, *unit);
}

std::string percent_text(double percent) {
  return std::isfinite(percent) ? fmt::format("{:.2f} %", percent) : "n/a";
}

std::string times_text(double factor) {
  return std::isfinite(factor) ? fmt::format("{:.2f}x", factor) : "n/a";
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "n/a";
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const double whole = std::round(seconds);
  if (whole < 3600) {
    return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
  }
  const double minutes = std::floor(whole / 60);
  return fmt::format("{:.0f} h {:02.0f} min", std::floor(minutes / 60), std::fmod(minutes, 60));
}

std::string list_text(const std::vector<std::int64_t>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ", "));
}

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\t':
      case '\n':
      case '\r':
        out += c;
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string in_one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return printable(text);
}

std::string escape_markdown(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : in_one_line(std::string(text))) {
    if (std::string_view("\\`*_[]<>|#&").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace trifold::apps::report
