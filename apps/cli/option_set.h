/// Options that read their values strictly.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trifold::apps {

/// Brings the text of an option's value into the one form of its type, which is that of the second
/// argument: 007 becomes 7, "yes" becomes true. Returns what is wrong with it, or "".
std::string normalise_value(std::string& text, int);
std::string normalise_value(std::string& text, std::int64_t);
std::string normalise_value(std::string& text, std::uint64_t);
std::string normalise_value(std::string& text, double);
std::string normalise_value(std::string& text, bool);
inline std::string normalise_value(std::string&, const std::string&) { return ""; }
template <class T>
std::string normalise_value(std::string& text, const std::optional<T>&) {
  return normalise_value(text, T{});
}
/// Of one element at a time.
template <class T>
std::string normalise_value(std::string& text, const std::vector<T>&) {
  return normalise_value(text, T{});
}

/// A CLI::App whose options take a number for what it says, or refuse it. By itself CLI11 reads -1
/// as 2^64 - 1 where the variable is unsigned, 010 as eight, a number that is too large as the
/// largest, and finds "nan" in every range.
class OptionSet : public CLI::App {
 public:
  template <class T>
  CLI::Option* add_option(const std::string& name, T& variable, const std::string& help) {
    return CLI::App::add_option(name, variable, help)->transform(strict<T>());
  }
  CLI::Option* add_flag(const std::string& name, bool& variable, const std::string& help) {
    return CLI::App::add_flag(name, variable, help)->transform(strict<bool>());
  }

 private:
  template <class T>
  static CLI::Validator strict() {
    return {[](std::string& text) { return normalise_value(text, T{}); }, ""};
  }
};

/// For ->transform(): a path that is found again from any folder, the relative one of a file or
/// folder made absolute.
CLI::Validator absolute_path();
/// The same for the folder in SCHEME:DIR.
CLI::Validator absolute_data();

}  // namespace trifold::apps
