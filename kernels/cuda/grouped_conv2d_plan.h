/// How the groups of a convolution are cut into dense ones, without CUDA: for the launches and for
/// models of their work.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/grouped_conv2d.h"

namespace trifold::kernels::cuda {

/// Groups that are worked as one dense convolution of all images.
struct GroupBlock {
  std::int64_t first, groups;
};

/// Calls f(GroupBlock) for all of them, in order; the last may be the smallest.
template <class F>
void for_group_blocks(const GroupedConv2dShape& s, const F& f) {
  constexpr std::int64_t width = 32;  // channels that a tile of the product has
  const std::int64_t at_once =
      std::clamp<std::int64_t>(width / std::min(s.group_c(), s.group_k()), 1, s.groups);
  for (std::int64_t first = 0; first < s.groups; first += at_once) {
    f(GroupBlock{first, std::min(at_once, s.groups - first)});
  }
}

}  // namespace trifold::kernels::cuda
