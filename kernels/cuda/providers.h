/// NVIDIA's libraries in the place of kernels of this project: for comparison, and where a result is
/// in doubt. Never needed.
#pragma once

#include <string_view>

#include "kernels/conv2d.h"
#include "kernels/linear.h"

namespace trifold::kernels::cuda {

struct Providers {
  bool cublas = false;  ///< of the linear layers
  bool cudnn = false;   ///< of the convolutions that aren't fused with what is around them
};

/// "cublas", "cudnn" or both with a comma between them; "" names none.
/// Errors    ConfigError: another name, or a library that this build doesn't have.
Providers parse_providers(std::string_view names);

/// Those that the environment variable TRIFOLD_CUDA_PROVIDER names.
const Providers& providers();

// Twins of the contracts, in builds that have the library.
namespace cublas {
decltype(kernels::linear_forward) linear_forward;
decltype(kernels::linear_backward_data) linear_backward_data;
decltype(kernels::linear_backward_weight) linear_backward_weight;
}  // namespace cublas

/// Precision::bf16 multiplies in tf32, which has more digits.
namespace cudnn {
decltype(kernels::conv2d_forward) conv2d_forward;
decltype(kernels::conv2d_backward_data) conv2d_backward_data;
decltype(kernels::conv2d_backward_weight) conv2d_backward_weight;
}  // namespace cudnn

}  // namespace trifold::kernels::cuda
