#include "apps/cli/nearest.h"

#include <algorithm>
#include <numeric>

namespace trifold::apps {

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  // Levenshtein's distance, one row of its table at a time.
  const auto distance = [&word](const std::string& other) {
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t replaced = diagonal + (word[i - 1] == other[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    return row.back();
  };
  const auto best = std::ranges::min_element(candidates, {}, distance);
  return best == candidates.end() ? "" : *best;
}

}  // namespace trifold::apps
