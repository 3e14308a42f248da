#include "apps/cli/config_file.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <regex>
#include <sstream>
#include <string_view>

#include "apps/cli/nearest.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

std::string flag_text(const toml::node& node, const std::string& place, const std::string& key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  throw ConfigError(
      fmt::format("{}: '{}' has to be a string, a number or true or false", place, key));
}

// The end of the string of TOML that begins at `at`. Where it has none, the parser will say so.
std::size_t string_end(std::string_view text, std::size_t at) {
  const std::string_view quote = text.substr(at, 1), three = text.substr(at, 3);
  const bool is_long = three == "\"\"\"" || three == "'''";
  const std::string_view closing = is_long ? three : quote;
  for (at += closing.size(); at < text.size(); ++at) {
    if (text[at] == '\n' && !is_long) return text.size();
    if (text[at] == '\\' && quote == "\"") {
      ++at;
    } else if (text.substr(at, closing.size()) == closing) {
      return at + closing.size();
    }
  }
  return text.size();
}

// The TOML library goes by recursion into lists, inline tables and the parts of dotted keys, for which
// deep ones take the stack. Options have none of these.
void check_depth(std::string_view text, const std::string& path) {
  constexpr int deepest = 16;
  std::int64_t line = 1;
  int open = 0, dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      const std::size_t end = string_end(text, at);
      line += std::ranges::count(text.substr(at, end - at), '\n');
      at = end;
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    open += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    dots = c == '.' ? dots + 1 : c == '\n' || c == '=' || c == ',' || c == '{' ? 0 : dots;
    require<ConfigError>(
        open <= deepest && dots <= deepest,
        "{}:{}: lists, tables or dotted keys that nest deeper than {}; options are "
        "lines of the form name = value",
        path, line, deepest);
    line += c == '\n' ? 1 : 0;
    ++at;
  }
}

}  // namespace

std::vector<ConfigEntry> read_config_file(const std::string& path,
                                          const std::vector<std::string>& keys) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream content;
  content << stream.rdbuf();  // fails where there is nothing, too
  require<ConfigError>(
      stream.is_open() && (content.good() || stream.peek() == EOF) && !stream.bad(),
      "{}: the configuration file can't be read", path);
  const std::string text = content.str();
  check_depth(text, path);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& e) {
    throw ConfigError(fmt::format("{}:{}: {}", path, e.source().begin.line, e.description()));
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    const std::string place = fmt::format("{}:{}", path, name.source().begin.line);
    require<ConfigError>(std::ranges::find(keys, key) != keys.end(),
                         "{}: unknown key '{}'; the nearest is '{}'", place, key,
                         nearest(key, keys));
    entries.push_back({key, flag_text(node, place, key), place});
  }
  return entries;
}

std::string toml_value(const std::string& text) {
  static const std::regex bare(R"(true|false|0|-?[1-9]\d{0,17})");
  static const std::regex real(R"(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)");
  if (std::regex_match(text, bare)) return text;
  // Others, such as 1.50 or 2^64 - 1, would come back in another form or not at all.
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  const bool fraction = text.find_first_of(".eE") != std::string::npos;
  if (fraction && std::regex_match(text, real) && fmt::format("{}", value) == text) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += fmt::format("\\{}", c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace trifold::apps
