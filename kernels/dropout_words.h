/// What both backends of dropout share: which elements are kept.
#pragma once

#include "kernels/dropout.h"
#include "kernels/philox.h"

namespace trifold::kernels {

/// Words from `threshold` on keep an element, which is multiplied by `factor`.
struct DropoutChoice {
  std::uint32_t threshold;
  float factor;
};

inline DropoutChoice choice_of(float rate) {
  return {static_cast<std::uint32_t>(static_cast<double>(rate) * 0x1p32),
          static_cast<float>(1.0 / (1.0 - static_cast<double>(rate)))};
}

/// Words 4 block to 4 block + 3. Their number is below 2^34, as all of a sequence.
TRIFOLD_HOST_DEVICE inline PhiloxWords dropout_words(const DropoutDraws& draws, float step,
                                                     std::int64_t block) {
  return philox({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(step), draws.layer,
                  draws.stream}},
                draws.seed);
}

}  // namespace trifold::kernels
