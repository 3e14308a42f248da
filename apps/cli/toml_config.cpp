#include "apps/cli/toml_config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <numeric>
#include <sstream>

#include "kernels/error.h"

namespace trifold::apps {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// The values of a key as the words that a command line would carry.
std::vector<std::string> words_of(const toml::node& node) {
  std::vector<std::string> words;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& entry : *array) {
      for (std::string& word : words_of(entry)) words.push_back(std::move(word));
    }
  } else if (const auto text = node.value_exact<std::string>()) {
    words.push_back(*text);
  } else {
    std::ostringstream stream;
    node.visit([&](const auto& value) { stream << value; });
    words.push_back(stream.str());
  }
  return words;
}

// A number or boolean as it is, anything else quoted.
std::string toml_value(const std::string& word) {
  double number = 0;
  const bool plain = word == "true" || word == "false" || CLI::detail::lexical_cast(word, number);
  return plain ? word : "\"" + word + "\"";
}

}  // namespace

std::string nearest(const std::string& name, const std::vector<std::string>& known) {
  const auto found = std::ranges::min_element(
      known, {}, [&](const std::string& other) { return edit_distance(name, other); });
  return found == known.end() ? "" : *found;
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* a = &app; a; a = a->get_parent()) {
    for (const CLI::Option* option : a->get_options()) {
      const auto& own = option->get_lnames();
      names.insert(names.end(), own.begin(), own.end());
    }
  }
  return names;
}

std::string TomlConfig::to_config(const CLI::App* app, bool, bool, std::string) const {
  std::string text;
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty()) continue;
    std::vector<std::string> words = option->results();
    if (words.empty() && !option->get_default_str().empty()) words = {option->get_default_str()};
    if (words.empty()) continue;
    std::string value = toml_value(words[0]);
    if (words.size() > 1) {
      value = "[" + value;
      for (std::size_t i = 1; i < words.size(); ++i) value += ", " + toml_value(words[i]);
      value += "]";
    }
    text += option->get_lnames()[0] + " = " + value + "\n";
  }
  return text;
}

std::vector<CLI::ConfigItem> TomlConfig::from_config(std::istream& input) const {
  try {
    const toml::table table = toml::parse(input);
    const std::vector<std::string> known = long_names(app_);
    std::vector<CLI::ConfigItem> found;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const auto line = node.source().begin.line;
      require<ConfigError>(std::ranges::count(known, name) > 0,
                           "the configuration file, line {}: unknown key '{}'; did you mean '{}'?",
                           line, name, nearest(name, known));
      require<ConfigError>(!node.is_table(),
                           "the configuration file, line {}: '{}' has to be a value, not a table",
                           line, name);
      CLI::ConfigItem item;
      item.name = name;
      item.inputs = words_of(node);
      found.push_back(std::move(item));
    }
    return found;
  } catch (const toml::parse_error& e) {
    throw ConfigError(fmt::format("the configuration file, line {}: {}", e.source().begin.line,
                                  std::string(e.description())));
  }
}

}  // namespace trifold::apps
