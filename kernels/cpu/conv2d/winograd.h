/// The three passes of a 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3).
///
/// Tiles of 4 x 4 outputs are worked in strips, rows of tiles, and these in blocks: a block's patches
/// are transformed into 36 matrices (tiles, channels), these are multiplied by the 36 transformed
/// weight matrices (channels, filters) in register tiles, and the products are transformed back. The
/// transforms go down the columns of a strip and then along its rows, six matrices at a time, so that
/// what lies between the steps stays in the caches; memory is asked for what comes next between the
/// products. 36 products a channel stand for 144, less what tiles over the edge waste; the transforms
/// add about 8 operations a pixel and channel, and 6 a pixel and filter. Where the weights are more
/// than the tiles, or more than a level 2 cache holds, threads share the 36 matrices of large groups
/// of strips instead.
///
/// Numerics: sums and differences of neighbours cancel, so an error is relative to the largest
/// values of the patch and not to the result: |y - exact| <= (c + 32) 2^-24 times what the formula
/// gives with all matrices, x and w replaced by their magnitudes.
#pragma once

#include <memory>

#include "kernels/cpu/conv2d/panels.h"
#include "kernels/cpu/conv2d/passes.h"

namespace trifold::kernels::cpu {

/// Element (r, s, c, k) of weights lies at w + (3 r + s) tap + c channel + k filter.
struct WinogradWeights {
  const float* w;
  std::int64_t tap, channel, filter;
};

/// Floats of transformed weights for the active instruction set.
std::int64_t winograd_weight_floats(std::int64_t channels, std::int64_t filters);

/// u = the 36 matrices (channels, filters) of the transformed weights, each in panels.
void winograd_transform_weights(const Exec& ex, std::int64_t channels, std::int64_t filters,
                                const WinogradWeights& w, float* u);

/// y = [relu](b + correlation of the operand with the weights that were transformed into u
/// [+ addend]).
void winograd_correlate(const Exec& ex, const Correlation& s, const Operand& operand,
                        const float* u, const Epilogue& epilogue, float* y);

/// The gradient dw (3,3,c,k) of a correlation with contiguous dy (n,p,q,k), of at most s.n images
/// at a time.
std::unique_ptr<WeightGradient> winograd_weight_gradient(const Correlation& s, Scratch& scratch);

/// The same for weights that are more than a level 2 cache holds.
std::unique_ptr<WeightGradient> winograd_wide_weight_gradient(const Correlation& s,
                                                              Scratch& scratch);

}  // namespace trifold::kernels::cpu
