/// Other ways to spend the same budget, which the joint optimum has to beat.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/prune/run.h"

namespace trifold::apps {

/// One way to choose a network of the space within the target.
struct Baseline {
  const char* name;
  const char* help;           ///< a line for people
  bool from_scratch = false;  ///< trained from fresh values instead of what the cut leaves
  /// The network that it chooses; nothing where it can't meet the target. Null: what `solve` chose.
  /// `seed` is for those that choose at random.
  std::optional<pruning::GridIndex> (*choose)(pruning::Space&, const map::Predictor&,
                                              std::uint64_t seed);
};

/// | name             | choice                                                                      |
/// |------------------|-----------------------------------------------------------------------------|
/// | joint            | what `solve` chose, of all three dimensions                                 |
/// | scratch          | the same structure, trained from fresh values                               |
/// | depth, width, resolution | the largest within the target in one dimension                      |
/// | depth-width, depth-resolution, width-resolution | the best predicted of two            |
/// | uniform          | d, w, r = 1.2^-k, 1.1^-k, 1.15^-k: Tan and Le, EfficientNet, ICML 2019      |
/// |                  | (arXiv 1905.11946), section 3.3, downwards                                  |
/// | tinynet          | d and r as in TinyNet-A to -E, interpolated over log cost, w from the       |
/// |                  | budget: Han et al., NeurIPS 2020 (arXiv 2010.14819)                         |
/// | random           | one of the networks that spend the budget                                   |
const std::vector<Baseline>& baselines();

}  // namespace trifold::apps
