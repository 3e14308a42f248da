#include "nn/class_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace trifold::nn {
namespace {

std::optional<std::int64_t> number(const std::string& name) {
  std::int64_t value = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, value);
  return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

bool all_numbers(const std::vector<std::string>& names) {
  return std::ranges::all_of(names, [](const auto& name) { return number(name).has_value(); });
}

bool same(const std::string& a, const std::string& b) {
  return a == b || (number(a).has_value() && number(a) == number(b));
}

}  // namespace

bool counts_up(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (number(names[i]) != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

std::string class_difference(const std::vector<std::string>& model,
                             const std::vector<std::string>& data) {
  if (model.empty() || data.empty()) return "";
  const bool nameless = (counts_up(model) && (counts_up(data) || !all_numbers(data))) ||
                        (counts_up(data) && !all_numbers(model));
  if (nameless && model.size() == data.size()) return "";
  if (nameless) {
    return fmt::format("there are {} classes in the model and {} in the data", model.size(),
                       data.size());
  }
  const auto [a, b] = std::ranges::mismatch(model, data, same);
  if (a == model.end() && b == data.end()) return "";
  const auto place = a - model.begin();
  if (a == model.end()) {
    return fmt::format("there are {} classes in the model, but class {} of the data is '{}'",
                       model.size(), place, *b);
  }
  if (b == data.end()) {
    return fmt::format("there are {} classes in the data, but class {} of the model is '{}'",
                       data.size(), place, *a);
  }
  return fmt::format("class {} is '{}' in the model and '{}' in the data", place, *a, *b);
}

}  // namespace trifold::nn
