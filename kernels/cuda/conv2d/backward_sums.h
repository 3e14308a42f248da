/// The sums of the parts that the kernels of a convolution's backward pass leave.
#pragma once

#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels::cuda {

/// Of the filters' gradient: dw[i] = sum over part < count of parts[part * floats + i]. With one
/// part there is nothing to add, for that is dw.
struct FilterParts {
  const float* parts;
  std::int64_t count, floats;
  float* dw;
};

/// Of the sums of g and of g (x - mean), a pair a channel and tile: parts[(2 tile + k) channels + c]
/// is part of sums[k channels + c]. The coefficients, unless null, are made of the sums.
struct GradientParts {
  const float* parts;
  std::int64_t tiles;
  BatchNormShape norm;
  float* sums;
  const BatchNormCoefficients* coefficients;
};

/// Effects   overwrites dw; asynchronous on ex.stream.
void add_parts(const Exec& ex, const FilterParts& filters);

/// Both, in one launch but where parts of either are so many that it takes two.
/// Effects   overwrites dw, sums and the coefficients; asynchronous on ex.stream.
/// Numerics  the bits of column_sums and of tile_sums.
void add_parts(const Exec& ex, const FilterParts& filters, const GradientParts& gradients);

}  // namespace trifold::kernels::cuda
