#include "apps/cli/option_set.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

namespace trifold::apps {
namespace {

template <class Int>
std::string normalise_whole(std::string& text) {
  const std::size_t digits = text.starts_with('-') ? 1 : 0;
  if (text.size() == digits || text.find_first_not_of("0123456789", digits) != std::string::npos) {
    return fmt::format("'{}' is not a whole number", text);
  }
  Int value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) {
    return fmt::format("{} is out of range; it has to be between {} and {}", text,
                       std::numeric_limits<Int>::min(), std::numeric_limits<Int>::max());
  }
  text = fmt::format("{}", value);
  return "";
}

std::string absolute(const std::string& path) {
  std::error_code failure;  // the folder we are in may be gone
  const std::filesystem::path found = std::filesystem::absolute(path, failure);
  return failure ? path : found.string();
}

}  // namespace

std::string normalise_value(std::string& text, int) { return normalise_whole<int>(text); }
std::string normalise_value(std::string& text, std::int64_t) {
  return normalise_whole<std::int64_t>(text);
}
std::string normalise_value(std::string& text, std::uint64_t) {
  return normalise_whole<std::uint64_t>(text);
}

std::string normalise_value(std::string& text, double) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const bool finite = error == std::errc{} && rest == end && std::isfinite(value);
  return finite ? "" : fmt::format("'{}' is not a number that can be used", text);
}

std::string normalise_value(std::string& text, bool) {
  const std::string word = CLI::detail::to_lower(text);
  if (word == "true" || word == "yes" || word == "on" || word == "1") {
    text = "true";
  } else if (word == "false" || word == "no" || word == "off" || word == "0") {
    text = "false";
  } else {
    return fmt::format("'{}' is neither true nor false", text);
  }
  return "";
}

CLI::Validator absolute_path() {
  return {[](std::string& path) {
            if (!path.empty()) path = absolute(path);
            return std::string();
          },
          ""};
}

CLI::Validator absolute_data() {
  return {[](std::string& source) {
            const std::size_t folder = source.find(':') + 1;  // 0 where there is none
            if (folder > 0 && folder < source.size()) {
              source = source.substr(0, folder) + absolute(source.substr(folder));
            }
            return std::string();
          },
          ""};
}

}  // namespace trifold::apps
