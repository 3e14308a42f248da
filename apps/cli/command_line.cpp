#include "apps/cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "apps/cli/config_file.h"
#include "apps/cli/nearest.h"
#include "kernels/error.h"
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

// The value of `--name VALUE` or `--name=VALUE`; the last one counts.
std::string last_value(const std::vector<std::string>& arguments, const std::string& flag) {
  std::string value;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == flag && i + 1 < arguments.size()) value = arguments[i + 1];
    if (arguments[i].starts_with(flag + "=")) value = arguments[i].substr(flag.size() + 1);
  }
  return value;
}

// CLI11 has sentences of its own; errors here are one line with one full stop less.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  return text;
}

}  // namespace

CommandLine::CommandLine(const std::string& name, const std::string& summary,
                         const std::vector<std::string>& examples) {
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

std::string CommandLine::config_file(const std::vector<std::string>& flags) const {
  const auto given = [&](const std::string& option) {
    const std::string value = last_value(flags, "--" + option);
    const char* const variable = std::getenv(environment_name(option).c_str());
    return value.empty() && variable != nullptr ? std::string(variable) : value;
  };
  const std::string file = given("config");
  if (!file.empty() || trace_.empty()) return file;
  const std::string out = given("out");
  const std::filesystem::path folder = out.empty() ? app_["--out"]->get_default_str() : out;
  const std::filesystem::path config = folder / "config.toml";
  const bool goes_on = std::filesystem::exists(folder / trace_) && std::filesystem::exists(config);
  return goes_on ? config.string() : "";
}

bool CommandLine::parse(int argc, const char* const* argv) {
  const std::vector<std::string> flags(argv + 1, argv + argc);
  const std::vector<const CLI::Option*> options = named_options();
  std::vector<std::string> keys;
  for (const CLI::Option* option : options) {
    if (option->get_configurable()) keys.push_back(long_name(*option));
  }

  // The layers become one list of flags, the weakest first: the last value of an option counts.
  std::vector<std::string> arguments;
  const auto add = [&](const std::string& key, const std::string& value,
                       const std::string& origin) {
    arguments.push_back(fmt::format("--{}={}", key, value));
    origins_.emplace_back(key, origin);
  };
  const std::string file = config_file(flags);
  if (!file.empty()) {
    for (const ConfigEntry& e : read_config_file(file, keys)) add(e.key, e.value, e.place);
  }
  for (const CLI::Option* option : options) {
    const std::string key = long_name(*option), variable = environment_name(key);
    if (key == "help" || key == "version" || key == "config") continue;
    if (const char* value = std::getenv(variable.c_str())) {
      add(key, value, "the environment variable " + variable);
    }
  }
  arguments.insert(arguments.end(), flags.begin(), flags.end());

  // An unknown flag is reported before a missing option, which is often the same mistake.
  std::vector<const CLI::Option*> required;
  for (CLI::Option* option : app_.get_options([](CLI::Option*) { return true; })) {
    if (option->get_required()) required.push_back(option->required(false));
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  try {
    std::ranges::reverse(arguments);  // what CLI11's parse takes
    app_.parse(arguments);
  } catch (const CLI::CallForVersion& e) {
    std::cout << e.what() << '\n';
    return false;
  } catch (const CLI::CallForHelp&) {
    std::cout << app_.help();
    return false;
  } catch (const CLI::ParseError& e) {
    fail(e);
  }
  for (const std::string& extra : app_.remaining()) {
    require<ConfigError>(extra.starts_with("-"), "unexpected argument '{}'; see --help", extra);
    std::vector<std::string> known;
    for (const CLI::Option* option : options) known.push_back("--" + long_name(*option));
    const std::string flag = extra.substr(0, extra.find('='));
    throw ConfigError(
        fmt::format("unknown flag '{}'; the nearest is '{}'", flag, nearest(flag, known)));
  }
  for (const CLI::Option* option : required) {
    require<ConfigError>(option->count() > 0, "{} is missing; see --help", option->get_name());
  }
  return true;
}

void CommandLine::fail(const CLI::ParseError& error) const {
  const std::string text = one_line(error.what());
  std::string place;
  for (const auto& [key, origin] : origins_) {
    if (text.starts_with("--" + key + ":")) place = fmt::format(" (from {})", origin);
  }
  throw ConfigError(text + place);
}

std::string CommandLine::resolved() const {
  std::string text;
  for (const CLI::Option* option : named_options()) {
    if (!option->get_configurable()) continue;
    std::string value = option->get_default_str();
    if (is_flag(*option)) value = value.empty() ? "false" : value;
    if (option->count() > 0) value = option->results().back();
    require<ConfigError>(nn::is_utf8(value),
                         "--{} is '{}', which is not UTF-8, so the run can't record it; rename the "
                         "file or folder, or give a link to it",
                         long_name(*option), nn::as_utf8(value));
    if (!value.empty()) text += fmt::format("{} = {}\n", long_name(*option), toml_value(value));
  }
  return text;
}

}  // namespace trifold::apps
