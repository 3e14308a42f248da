#include "kernels/cuda/conv2d/backward_sums.h"

#include "kernels/cuda/batch_norm_terms.cuh"
#include "kernels/cuda/channel_sums.cuh"
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/column_sums_plan.h"

namespace trifold::kernels::cuda {
namespace {

using Terms = PartTerms<float, 2>;

/// The first blocks add the filters' parts, 32 columns each, the others the gradients', 8 channels
/// each. Bound by memory: every part is read once.
__global__ void __launch_bounds__(column_threads)
    backward_sums_kernel(FilterParts filters, unsigned filter_blocks, Terms terms,
                         StoreGradientSums epilogue, std::int64_t tiles) {
  if (blockIdx.x >= filter_blocks) {
    finish_channels(terms, epilogue, tiles, epilogue.channels, blockIdx.x - filter_blocks);
    return;
  }
  const int thread = static_cast<int>(threadIdx.y) * finish_across + static_cast<int>(threadIdx.x);
  sum_columns({.column = std::int64_t{blockIdx.x} * column_sum_lanes + thread % column_sum_lanes,
               .lane = thread % column_sum_lanes,
               .group = thread / column_sum_lanes},
              0, filters.count, filters.floats, filters.parts, filters.dw);
}
static_assert(finish_across * finish_lanes == column_sum_lanes * column_sum_groups);

}  // namespace

void add_parts(const Exec& ex, const FilterParts& filters) {
  if (filters.count > 1) column_sums(ex, filters.count, filters.floats, filters.parts, filters.dw);
}

void add_parts(const Exec& ex, const FilterParts& filters, const GradientParts& gradients) {
  const std::int64_t channels = gradients.norm.channels;
  const Terms terms{gradients.parts, channels};
  const StoreGradientSums epilogue =
      gradient_sums_to(gradients.sums, gradients.norm, gradients.coefficients);
  const bool one_launch = filters.count > 1 && gradients.tiles <= few_tiles &&
                          plan_column_sums(filters.count, filters.floats).parts == 1;
  if (!one_launch) {
    add_parts(ex, filters);
    tile_sums(ex, "norm_conv2d_tile_gradients", "norm_conv2d_gradient_sums", gradients.tiles,
              channels, terms, epilogue);
    return;
  }
  const std::int64_t filter_blocks = div_up(filters.floats, column_sum_lanes);
  launch(ex, "norm_conv2d_part_sums", backward_sums_kernel,
         blocks_in_row(filter_blocks + div_up(channels, finish_across)),
         dim3(finish_across, finish_lanes), filters, static_cast<unsigned>(filter_blocks), terms,
         epilogue, gradients.tiles);
}

}  // namespace trifold::kernels::cuda
