#include "apps/cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "apps/cli/config_file.h"
#include "apps/cli/help_pages.h"
#include "apps/cli/nearest.h"
#include "kernels/runtime/error.h"
#include "nn/data/utf8.h"

namespace trifold::apps {
namespace {

std::string environment_name(const std::string& option) {
  std::string name = "TRIFOLD_" + option;
  for (char& c : name) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string long_name(const CLI::Option& option) { return option.get_lnames().front(); }

bool is_flag(const CLI::Option& option) { return option.get_expected_min() == 0; }

// CLI11 has sentences of its own; errors here are one line with one full stop less.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
}

}  // namespace

CommandLine::CommandLine(const std::string& name, const std::string& summary,
                         const std::vector<std::string>& examples)
    : summary_(summary), examples_(examples) {
  app_.name(name);
  std::string description = "Examples:\n";
  for (const std::string& example : examples) description += "  " + example + "\n";
  app_.description(description + "\n" + summary);
  app_.option_defaults()->always_capture_default();
  app_.set_help_flag("-h,--help", "Shows this text")->configurable(false);
  app_.set_version_flag(
          "--version", [name] { return version_text(name); }, "Shows how this program was built")
      ->configurable(false);
  app_.add_option("--config", config_,
                  "TOML file with options by their long names; flags and TRIFOLD_... variables "
                  "come before it")
      ->type_name("FILE")
      ->configurable(false);
  app_.allow_extras();
}

std::vector<const CLI::Option*> CommandLine::named_options() const {
  return app_.get_options([](const CLI::Option* option) { return !option->get_lnames().empty(); });
}

// Takes the options among `words`, the last of each; returns the other words.
std::vector<std::string> CommandLine::take_flags(const std::vector<std::string>& words) {
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    require<ConfigError>(!word.empty(), "an argument is empty; see --help");
    if (word == "--") {  // what follows are no options
      rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.starts_with("--") ? word.substr(0, equals) : "";
    const CLI::Option* const option = name.size() > 2 ? app_.get_option_no_throw(name) : nullptr;
    if (option == nullptr) {
      rest.push_back(word);
    } else if (equals != std::string::npos) {
      given_[long_name(*option)] = {word.substr(equals + 1), ""};
    } else if (is_flag(*option)) {
      given_[long_name(*option)] = {"true", ""};
    } else {
      require<ConfigError>(i + 1 < words.size(), "{} needs a value; see --help", name);
      const std::string& value = words[++i];
      require<ConfigError>(!value.starts_with("--"),
                           "{0} needs a value, and '{1}' looks like a flag; if it is the value, "
                           "write {0}={1}",
                           name, value);
      given_[long_name(*option)] = {value, ""};
    }
  }
  return rest;
}

void CommandLine::take_environment() {
  for (const CLI::Option* option : named_options()) {
    const std::string key = long_name(*option), variable = environment_name(key);
    if (key == "help" || key == "version") continue;
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') continue;
    given_.try_emplace(key,
                       Given{value, fmt::format(" (from the environment variable {})", variable)});
  }
}

std::string CommandLine::value_of(const std::string& option) const {
  const auto found = given_.find(option);
  return found == given_.end() ? "" : found->second.value;
}

std::string CommandLine::config_file() const {
  const std::string file = value_of("config");
  if (!file.empty() || trace_.empty()) return file;
  const std::string out = value_of("out");
  const std::filesystem::path folder = out.empty() ? app_["--out"]->get_default_str() : out;
  const std::filesystem::path config = folder / "config.toml";
  std::string resume = value_of("resume");
  normalise_value(resume, true);
  const bool goes_on = resume == "true" || std::filesystem::exists(folder / trace_);
  return goes_on && std::filesystem::exists(config) ? config.string() : "";
}

void CommandLine::take_file() {
  const std::string file = config_file();
  if (file.empty()) return;
  std::vector<std::string> keys;
  for (const CLI::Option* option : named_options()) {
    if (option->get_configurable()) keys.push_back(long_name(*option));
  }
  for (const ConfigEntry& e : read_config_file(file, keys)) {
    given_.try_emplace(e.key, Given{e.value, fmt::format(" (from {})", e.place)});
  }
}

void CommandLine::check_empty_values() {
  for (const CLI::Option* option : named_options()) {
    const auto found = given_.find(long_name(*option));
    if (found == given_.end() || !found->second.value.empty()) continue;
    require<ConfigError>(
        !option->get_required() && !is_flag(*option) && option->get_default_str().empty(),
        "--{} is empty{}; give a value, or leave it out", found->first, found->second.origin);
    given_.erase(found);
  }
}

bool CommandLine::parse(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto asked = [&](const std::string& flag) {
    return std::ranges::find(words, flag) != words.end();
  };
  if (asked("--help") || asked("-h")) {  // it helps best where the rest is wrong
    std::cout << app_.help();
    return false;
  }
  if (asked("--version")) {
    std::cout << app_.version() << '\n';
    return false;
  }
  const std::string installed = "trifold-" + app_.get_name();
  if (asked("--help-as=man")) {
    std::cout << man_page(app_, installed, summary_, examples_);
    return false;
  }
  using Completion = std::string (*)(const CLI::App&, const std::string&);
  const std::map<std::string, Completion> completions = {{"--help-as=bash", bash_completion},
                                                         {"--help-as=zsh", zsh_completion},
                                                         {"--help-as=fish", fish_completion}};
  for (const auto& [flag, completion] : completions) {
    if (!asked(flag)) continue;
    std::cout << completion(app_, installed);
    return false;
  }
  // The strongest comes first: what is given stays.
  std::vector<std::string> arguments = take_flags(words);
  take_environment();
  take_file();
  check_empty_values();
  apply(std::move(arguments));
  return true;
}

// Lets CLI11 read what is given, and the words that name no option.
void CommandLine::apply(std::vector<std::string> arguments) {
  // An unknown flag is reported before a missing option, which is often the same mistake.
  std::vector<const CLI::Option*> required;
  for (CLI::Option* option : app_.get_options([](CLI::Option*) { return true; })) {
    if (option->get_required()) required.push_back(option->required(false));
  }
  std::vector<std::string> known, given;
  for (const CLI::Option* option : named_options()) {
    const std::string key = long_name(*option);
    known.push_back("--" + key);
    if (given_.contains(key)) given.push_back(fmt::format("--{}={}", key, given_.at(key).value));
  }
  arguments.insert(arguments.begin(), given.begin(), given.end());
  try {
    std::ranges::reverse(arguments);  // what CLI11's parse takes
    app_.parse(arguments);
  } catch (const CLI::ParseError& e) {
    const std::string text = one_line(e.what());
    for (const auto& [key, value] : given_) {
      if (text.starts_with("--" + key + ":")) throw ConfigError(text + value.origin);
    }
    throw ConfigError(text);
  }
  for (const std::string& extra : app_.remaining()) {
    require<ConfigError>(extra.starts_with("-"), "unexpected argument '{}'; see --help", extra);
    const std::string flag = extra.substr(0, extra.find('='));
    throw ConfigError(
        fmt::format("unknown flag '{}'; the nearest is '{}'", flag, nearest(flag, known)));
  }
  for (const CLI::Option* option : required) {
    require<ConfigError>(option->count() > 0, "{} is missing; see --help", option->get_name());
  }
}

std::string CommandLine::resolved() const {
  std::string text;
  for (const CLI::Option* option : named_options()) {
    const std::string key = long_name(*option);
    std::string value = option->get_default_str();
    if (is_flag(*option)) value = value.empty() ? "false" : value;
    if (option->count() > 0) value = option->results().back();
    require<ConfigError>(
        nn::is_utf8(value),
        "--{} is '{}'{}, which is not valid UTF-8, so the records of the run can't hold it; give a "
        "name that is, such as that of a link",
        key, nn::as_utf8(value), given_.contains(key) ? given_.at(key).origin : "");
    if (!option->get_configurable() || value.empty()) continue;
    text += fmt::format("{} = {}\n", key, toml_value(value));
  }
  return text;
}

}  // namespace trifold::apps
