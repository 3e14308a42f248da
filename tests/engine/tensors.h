/// What the tests of tensors and ops share: fills, layouts, distances and a seed for gradients.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "engine/tape.h"
#include "engine/tensor.h"

namespace trifold::engine {

using Doubles = std::vector<double>;

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The CPU, and the first GPU where the build and the machine have one.
inline std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (kernels::device_count(DeviceKind::cuda) > 0) all.push_back({DeviceKind::cuda, 0});
  return all;
}

/// A test's name for a device.
inline std::string name_of(const testing::TestParamInfo<Device>& device) {
  return device.param.kind == DeviceKind::cpu ? "cpu" : "cuda";
}

/// Reproducible values in [-1, 1), another sequence for each seed.
inline Tensor uniform(Shape shape, std::uint64_t seed, Device device = {}) {
  Tensor t = Tensor::empty(std::move(shape));
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (float& value : t.values()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<double>(state >> 40) * 0x1p-23 - 1.0);
  }
  return t.to(device);
}

inline Doubles doubles(const Tensor& t) {
  const Tensor host = t.to(Device{});
  const auto values = host.values();
  return {values.begin(), values.end()};
}

/// The same elements in another order of dimensions: extent i of the result is extent axes[i].
inline Tensor permute(const Tensor& t, const std::vector<std::int64_t>& axes) {
  const auto rank = axes.size();
  std::vector<std::int64_t> strides(rank, 1), extents(rank), index(rank, 0);
  for (std::size_t i = rank - 1; i > 0; --i) {
    strides[i - 1] = strides[i] * t.shape()[static_cast<std::int64_t>(i)];
  }
  for (std::size_t i = 0; i < rank; ++i) extents[i] = t.shape()[axes[i]];
  const Tensor host = t.to(Device{});
  Tensor result = Tensor::empty(Shape(extents));
  for (float& value : result.values()) {
    std::int64_t from = 0;
    for (std::size_t i = 0; i < rank; ++i) from += index[i] * strides[at(axes[i])];
    value = host.values()[at(from)];
    for (std::size_t i = rank; i-- > 0 && ++index[i] == extents[i];) index[i] = 0;
  }
  return result.to(t.device());
}

inline Tensor nhwc(const Tensor& nchw) { return permute(nchw, {0, 2, 3, 1}); }
inline Tensor rsck(const Tensor& kcrs) { return permute(kcrs, {2, 3, 1, 0}); }
inline Tensor transposed(const Tensor& matrix) { return permute(matrix, {1, 0}); }

inline double norm(const Doubles& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

/// |actual - expected| / |expected| in Euclidean norms; `scale` stands in for a larger |expected|.
inline double relative_error(const Tensor& actual, const Doubles& expected, double scale = 0.0) {
  EXPECT_EQ(actual.size(), std::ssize(expected));
  Doubles difference = doubles(actual);
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= expected[i];
  const double size = std::max(norm(expected), scale);
  return size == 0.0 ? norm(difference) : norm(difference) / size;
}

/// <dy, y> as an op, so that backward() reaches y with the gradient dy.
inline Var inner_product(Tape& tape, const Var& y, const Tensor& dy) {
  const Doubles a = doubles(y.value), b = doubles(dy);
  const double sum = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  Var result = tape.result(Tensor::filled({1}, static_cast<float>(sum), y.value.device()), {&y});
  tape.record(result, [ex = tape.exec(), sum_of_y = y.gradient, dy](const Tensor&) {
    sum_of_y->add(ex, dy.clone());
  });
  return result;
}

}  // namespace trifold::engine
