/// Lists of types that can be asked for by name.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/runtime/error.h"

namespace trifold::pruning {

/// An Entry for every type of the tuple, made from its static `name` and `help`; `make.operator()
/// <Type>()` gives the function that makes one.
template <class Entry, class Types, class Make>
std::vector<Entry> entries_of(const Make& make) {
  std::vector<Entry> entries;
  [&]<class... Type>(const std::tuple<Type...>*) {
    (entries.push_back({Type::name, Type::help, make.template operator()<Type>()}), ...);
  }(static_cast<const Types*>(nullptr));
  return entries;
}

/// The entry of that name. `kind` is what the entries are, such as "cost model".
/// Errors    ConfigError that lists the names.
template <class Entry>
const Entry& find_entry(const std::vector<Entry>& entries, const std::string& kind,
                        const std::string& name) {
  const auto found = std::ranges::find(entries, name, &Entry::name);
  if (found != entries.end()) return *found;
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  throw ConfigError(
      fmt::format("unknown {0} '{1}'; there are {2}", kind, name, fmt::join(names, ", ")));
}

}  // namespace trifold::pruning
