/// Guessing what a mistyped name was meant to be.
#pragma once

#include <string>
#include <vector>

namespace trifold::apps {

/// The candidate with the least edit distance (Levenshtein's) to `word`, the first of equals; ""
/// where there are none.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace trifold::apps
