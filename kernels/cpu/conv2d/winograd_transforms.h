/// The transforms of Winograd's minimal filtering F(4x4, 3x3), which makes 4 x 4 outputs of a 3 x 3
/// correlation from 36 products a channel instead of 144:
///
///   y = A^T [sum over channels of (G w G^T) * (B^T x B)] A,   * element by element,
///
/// x being the 6 x 6 patch that the outputs read. The 36 elements are its components. With the
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

#include "kernels/norm_conv2d.h"
#include "kernels/runtime/instruction_set.h"

namespace trifold::kernels::cpu {

constexpr std::int64_t winograd_tile = 4, winograd_patch = 6, winograd_components = 36;

/// What a strip, a row of tiles, reads of an image: some rows under each other. Of the strip's
/// `columns` the image has [begin, end), the others are zeros.
struct StripInput {
  const float* rows[winograd_patch];  ///< pixel `begin` of each; null for one that is zeros
  std::int64_t pixel;                 ///< floats from a pixel to the next
  std::int64_t begin, end, columns;
};

/// The rows of y that a strip writes; `count` of them exist.
struct StripOutput {
  float* rows[winograd_tile];
  const float* addends[winograd_tile];  ///< laid out as the rows, or null
  std::int64_t count, columns;
  std::int64_t pixel;
  const float* bias;  ///< readable over whole vectors
  bool relu;
};

/// The versions for one instruction set. Products with a matrix on both sides are worked as two:
/// down the columns of a strip, then along its rows. Channels and filters are worked a vector at a
/// time, of which the lanes that don't exist are zero in the results. What lies between the
/// steps are rows of whole vectors: row i of a strip at `i * row` floats, pixels a vector apart;
/// and components: component j at `j * component` floats, tiles a vector apart. winograd.h says
/// what the letters h, v, z, m and g stand for.
struct WinogradTransforms {
  InstructionSet set;
  std::int64_t lanes;
  /// The six rows B^T x of the strip's columns, of norm(x) unless norm is null, for the vector of
  /// the `channels` that starts with c.
  void (*patch_columns)(const StripInput& x, const InputNorm* norm, std::int64_t c,
                        std::int64_t channels, float* h, std::int64_t row);
  /// Six components of each tile, of one of those rows.
  void (*patch_rows)(const float* h, std::int64_t tiles, float* v, std::int64_t component);
  /// As the two before, with A dy in the place of B^T x: the adjoint of the two behind. The rows
  /// are those of from.g; where dy is deferred, it is written to `stored_dy`, laid out as they are.
  void (*gradient_columns)(const StripInput& g, const OutputGradient& from, float* stored_dy,
                           std::int64_t f, std::int64_t filters, float* h, std::int64_t row);
  void (*gradient_rows)(const float* h, std::int64_t tiles, float* z, std::int64_t component);
  /// A row of m A, four pixels of six components a tile.
  void (*output_rows)(const float* m, std::int64_t component, std::int64_t tiles, float* g);
  /// y = [relu](A^T g + bias [+ addend]) for the vector of the `filters` that starts with f.
  void (*output_columns)(const float* g, std::int64_t row, std::int64_t f, std::int64_t filters,
                         const StripOutput& y);
  /// components = G w G^T for one vector of filters, of which the first `filters` exist; the nine
  /// taps lie `tap` apart.
  void (*weight)(const float* w, std::int64_t tap, std::int64_t filters, float* components,
                 std::int64_t stride);
  /// dw = G^T (sum of components over `parts`, which lie `part` apart) G: the adjoint of `weight`.
  void (*weight_gradient)(const float* components, std::int64_t stride, std::int64_t parts,
                          std::int64_t part, std::int64_t filters, float* dw, std::int64_t tap);
};

/// The versions for active_instruction_set().
WinogradTransforms winograd_transforms();

}  // namespace trifold::kernels::cpu
