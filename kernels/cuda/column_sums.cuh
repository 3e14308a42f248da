/// Sums of the columns of a matrix, in an order fixed by its shape.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels::cuda {

/// sums[j] = sum over i < rows of matrix[i * columns + j].
/// Effects   overwrites sums; asynchronous on ex.stream.
/// Numerics  |sum - exact| <= rows 2^-24 sum |matrix|; the same bits on every run.
void column_sums(const Exec& ex, std::int64_t rows, std::int64_t columns, const float* matrix,
                 float* sums);

}  // namespace trifold::kernels::cuda
