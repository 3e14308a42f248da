#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/tensor.h"

namespace trifold::nn {

/// |a - b| / max(|b|, scale) in the Euclidean norm.
inline double relative_error(const engine::Tensor& a, const engine::Tensor& b,
                             double scale = 1e-15) {
  EXPECT_EQ(a.shape(), b.shape());
  double difference = 0, norm = 0;
  for (std::int64_t i = 0; i < b.size(); ++i) {
    const double x = a.data()[i], y = b.data()[i];
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), scale);
}

}  // namespace trifold::nn
