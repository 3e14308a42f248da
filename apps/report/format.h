/// Numbers and texts as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trifold::apps::report {

/// 40552000 -> "40.55 M"; below 1000 the plain integer; then k, M, G, T, P.
std::string count_text(double value);

/// 91.73 -> "91.73 %". NaN and infinities become "n/a".
std::string percent_text(double percent);

/// 2 -> "2.00x". NaN and infinities become "n/a".
std::string times_text(double factor);

/// 7384 -> "2 h 03 min"; 73 -> "1 min 13 s"; below a minute "8.4 s".
std::string duration_text(double seconds);

/// The numbers with ", " between them.
std::string list_text(const std::vector<std::int64_t>& numbers);

/// A dash where there is no value, else format(value).
template <class T, class Format>
std::string or_dash(const std::optional<T>& value, Format format) {
  return value ? format(*value) : std::string("–");
}

/// `text` safe as content and as a quoted attribute of HTML and XML: & < > " ' become entities, and
/// control characters that XML forbids become U+FFFD.
std::string escape_markup(std::string_view text);

/// `text` without line breaks, which become spaces, and other control characters: printable().
std::string in_one_line(std::string text);

/// in_one_line(text) safe inside a cell of a Markdown table: active characters get a backslash.
std::string escape_markdown(std::string_view text);

}  // namespace trifold::apps::report
