/// The three passes of a 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3).
///
/// Tiles of 4 x 4 outputs are worked in strips, rows of tiles of one image, and these in cache
/// blocks: a block's patches are transformed into 36 matrices (tiles, channels), one a component of
/// the transform, these are multiplied by the 36 transformed weight matrices (channels, filters) in
/// register tiles, and the products are transformed back. 36 products a channel stand for 144, less
/// what tiles over the edge waste; the transforms add about 8 operations a pixel and channel, and 6
/// a pixel and filter.
///
///   columns      -1   0 1 2 3   4 5 6 7   8 9 10 11  12
///   row -1        .   . . . .   . . . .   . . .  .    .    A strip of 3 tiles. A tile's patch is
///        0        . | tile 0  | tile 1  | tile 2   |  .    the tile and a border of one pixel, for
///        1        . |         |         |          |  .    a padding of 1: patch 0 has columns -1
///        2        . |         |         |          |  .    to 4, patch 1 those from 3 to 8. So two
///        3        . |         |         |          |  .    neighbours share two columns, a strip
///        4        .   . . . .   . . . .   . . .  .    .    of t tiles reads 4 t + 2 of them.
///
/// A transform with a matrix on both sides goes down the columns of a whole strip and then along
/// its rows, six components at a time, so that what lies between the steps stays in the caches;
/// memory is asked for what comes next between the products. The letters are those of the code:
///
///   forward           x --B^T.--> h --.B--> v  * u = m --.A--> g --A^T.--> y
///   weight gradient   x --B^T.--> h --.B--> v \  sums = v^T z --G^T.G--> dw
///                    dy --A.----> g --.A^T-> z /
///
///   h  rows B^T x of a strip's patches        (6, columns of the strip, channels)
///   v  the transformed patches                (36 components, tiles, channels)
///   u  the transformed weights G w G^T        (36 components, channels, filters)
///   m  their products                         (36 components, tiles, filters)
///   g  rows m A, or of gradients A dy         (6, columns of the strip, filters)
///   z  the transformed gradients A dy A^T     (36 components, tiles, filters)
///
/// The data gradient is a forward pass over dy with the weights turned round. Where the weights are
/// more than the tiles, or more than a level 2 cache holds, threads share the 36 matrices of large
/// blocks of strips instead, which lie in the level 3 cache.
///
/// Numerics: sums and differences of neighbours cancel, so an error is relative to the largest
/// values of the patch and not to the result: |y - exact| <= (c + 32) 2^-24 times what the formula
/// gives with all matrices, x and w replaced by their magnitudes. c is for the sum over the
/// channels, tiles in its place for dw. 32 is for the longest chain of roundings beside it: a
/// transform of patches or of gradients has 2 a side, one of weights or of their gradients 4, with
/// that of the constant 1/6, one of outputs 3; so y has 4 + 8 + 6, and 2 for bias and addend, and
/// dw 4 + 4 + 8, and 16 for the partial sums.
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
