/// What the oracles sum up with: results beside the magnitudes of their terms.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/oracle/conv2d.h"

namespace oracle {

inline Sums zeros(std::size_t size) {
  return {std::vector<double>(size, 0.0), std::vector<double>(size, 0.0)};
}

inline void add(Sums& sums, std::size_t at, double term, double magnitude) {
  sums.value[at] += term;
  sums.magnitude[at] += magnitude;
}

inline std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace oracle
