/// Inputs for the tests of a convolution's whole backward pass.
#pragma once

#include <algorithm>

#include "kernels/conv2d.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/norm_conv2d_backward.h"

namespace trifold::kernels::test {

struct NormConv2dBackwardInputs {
  oracle::OutputGradient dy;
  oracle::InputNorm norm;
  oracle::ConvInput input;
  Floats w, added;
};

/// `whole` numbers are small enough for every sum of products to be exact. dy is behind a norm or
/// given, a stored or not, `added` there or empty.
inline NormConv2dBackwardInputs norm_conv2d_backward_inputs(const Conv2dShape& s, bool whole,
                                                            bool behind_norm, bool relu,
                                                            bool stored, bool added) {
  const auto fill = [&](std::int64_t count, std::uint64_t seed, double mean = 0, double std = 1) {
    return whole ? integers(count, seed, 2) : normals(count, seed, mean, std);
  };
  NormConv2dBackwardInputs in;
  in.w = fill(s.w_size(), 1);
  in.dy.g = fill(s.y_size(), 2);
  if (behind_norm) {
    in.dy.y = fill(s.y_size(), 3, 0.5, 2);
    in.dy.mean = fill(s.k, 4, 0.5, 0.2);
    in.dy.scale = fill(s.k, 5);
    in.dy.coefficient = fill(s.k, 6, 0, 0.1);
    in.dy.constant = fill(s.k, 7, 0, 0.1);
  }
  in.input.x = fill(s.x_size(), 8, 0.5, 2);
  in.norm = {fill(s.c, 9, 0.5, 0.2), fill(s.c, 10, 0.5, 0.3), fill(s.c, 11), relu};
  if (stored) {
    in.input.a = fill(s.x_size(), 12);
    for (float& a : in.input.a) a = std::max(a, 0.0f);
  }
  if (added) in.added = fill(s.x_size(), 13);
  return in;
}

}  // namespace trifold::kernels::test
