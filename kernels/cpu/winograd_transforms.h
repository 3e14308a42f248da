/// The transforms of Winograd's minimal filtering F(4x4, 3x3), which makes 4 x 4 outputs of a 3 x 3
/// correlation from 36 products a channel instead of 144:
///
///   y = A^T [sum over channels of (G w G^T) * (B^T x B)] A,   * element by element,
///
/// x being the 6 x 6 patch that the outputs read. The 36 elements are called points. With the
/// interpolation points 0, 1, -1, 2, -2 and infinity,
///
///   B^T = 4  0 -5  0  1  0     G = 1/4    0    0     A^T = 1  1  1  1  1  0
///         0 -4 -4  1  1  0        -1/6 -1/6 -1/6           0  1 -1  2 -2  0
///         0  4 -4 -1  1  0        -1/6  1/6 -1/6           0  1  1  4  4  0
///         0 -2 -1  2  1  0        1/24 1/12  1/6           0  1 -1  8 -8  1
///         0  2 -1 -2  1  0        1/24-1/12  1/6
///         0  4  0 -5  0  1           0    0    1
///
/// Source    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, 4.3.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.h"
#include "kernels/norm_conv2d.h"

namespace trifold::kernels::cpu {

constexpr std::int64_t winograd_tile = 4, winograd_patch = 6, winograd_points = 36;

/// The versions for one instruction set. Channels and filters are worked a vector at a time;
/// element i of point e lies at `points + e * stride + i`, and there the last vector is whole.
struct WinogradTransforms {
  InstructionSet set;
  std::int64_t lanes;
  /// points = B^T x B for channels [begin, end) of the 36 pixels, in row order.
  void (*input)(const float* const* pixels, std::int64_t begin, std::int64_t end, float* points,
                std::int64_t stride);
  /// As `input`, of norm(x); pixels that are `outside` count as zeros.
  void (*normalised_input)(const InputNorm& norm, const float* const* pixels, const float* outside,
                           std::int64_t begin, std::int64_t end, float* points,
                           std::int64_t stride);
  /// The 16 pixels, in row order, become [relu](A^T points A + bias [+ addends]). Null pixels are
  /// left out; `addends` may be null, or its pixels those that are written.
  void (*output)(const float* points, std::int64_t stride, std::int64_t filters, const float* bias,
                 const float* const* addends, bool relu, float* const* pixels);
  /// points = A dy A^T for the filters of the 16 pixels: the adjoint of `output`.
  void (*output_gradient)(const float* const* pixels, std::int64_t filters, float* points,
                          std::int64_t stride);
  /// points = G w G^T for one vector of filters, of which the first `filters` exist; the nine taps
  /// lie `tap` apart.
  void (*weight)(const float* w, std::int64_t tap, std::int64_t filters, float* points,
                 std::int64_t stride);
  /// dw = G^T (sum of points over `parts`, which lie `part` apart) G: the adjoint of `weight`.
  void (*weight_gradient)(const float* points, std::int64_t stride, std::int64_t parts,
                          std::int64_t part, std::int64_t filters, float* dw, std::int64_t tap);
};

/// The versions for active_instruction_set().
WinogradTransforms winograd_transforms();

}  // namespace trifold::kernels::cpu
