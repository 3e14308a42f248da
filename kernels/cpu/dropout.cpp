#include "kernels/dropout.h"

#include <algorithm>

#include "kernels/cpu/ranges.h"
#include "kernels/dropout_words.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {

// Bound by the random bits: ten rounds for four elements.
void dropout(const Exec& ex, std::int64_t count, float rate, const DropoutDraws& draws,
             const float* step, const float* x, float* y) {
  check_dropout(rate);
  const DropoutChoice choice = choice_of(rate);
  for_ranges(ex, (count + 3) / 4, grain_of(16), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const PhiloxWords words = dropout_words(draws, *step, block);
      const std::int64_t first = 4 * block, left = std::min<std::int64_t>(count - first, 4);
      for (std::int64_t i = 0; i < left; ++i) {
        const bool kept = words.v[i] >= choice.threshold;
        y[first + i] = kept ? x[first + i] * choice.factor : 0.0f;
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
