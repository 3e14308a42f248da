/// Text as terminals show it.
#pragma once

#include <string>

namespace trifold::apps {

/// As much of the front of `text` as a terminal shows in `columns`. Wide characters take two of
/// them, combining ones none.
std::string fit_columns(const std::string& text, int columns);
/// `text` without what a terminal takes for a command: control characters as \x1b, or \n for the end
/// of a line. Texts from files go through it before they are shown.
std::string printable(const std::string& text);
/// The columns that a terminal needs for `text`.
int columns_of(const std::string& text);

}  // namespace trifold::apps
