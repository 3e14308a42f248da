/// The three passes of a 3 x 3 convolution of stride 1 by Winograd's F(4x4, 3x3).
///
/// Tiles of 4 x 4 outputs are worked in blocks: each block's patches are transformed into 36
/// matrices (tiles, channels), these are multiplied by the 36 transformed weight matrices
/// (channels, filters) with the register tiles of the direct method, and the products are
/// transformed back. 36 products a channel stand for 144, less what tiles over the edge waste; the
/// transforms add about 13 operations a pixel and channel, and as many a pixel and filter.
///
/// Numerics: sums and differences of neighbours cancel, so an error is relative to the largest
/// values of the patch and not to the result: |y - exact| <= (c + 32) 2^-24 times what the formula
/// gives with all matrices, x and w replaced by their magnitudes.
#pragma once

#include "kernels/cpu/conv2d_panels.h"

namespace trifold::kernels::cpu {

/// y = [relu](b + correlation of the source with w [+ addend]). Element (r, s, c, k) of the weights lies at w +
/// (3 r + s) tap + c channel + k filter.
struct WinogradWeights {
  const float* w;
  std::int64_t tap, channel, filter;
};
void winograd_correlate(const Exec& ex, const Correlation& s, const Source& source,
                        const WinogradWeights& w, const Finish& finish, float* y);

/// dw (3,3,c,k) of a correlation with contiguous dy (n,p,q,k).
void winograd_backward_weight(const Exec& ex, const Correlation& s, const Source& source,
                              const float* dy, float* dw);

}  // namespace trifold::kernels::cpu
