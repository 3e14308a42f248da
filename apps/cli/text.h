/// Text as terminals show it.
#pragma once

#include <string>

namespace trifold::apps {

/// As much of the front of `text` as a terminal shows in `columns`. Wide characters take two of
/// them, combining ones none.
std::string fit_columns(const std::string& text, int columns);
/// The columns that a terminal needs for `text`.
int columns_of(const std::string& text);

}  // namespace trifold::apps
