/// The register tiles that do the arithmetic of convolutions and fully connected layers.
///
/// Filters are worked in panels of `width(...)` lanes, one or two vectors. Weights are packed so
/// that one panel lies together, its rows in the order in which the sums take them, its last lanes
/// zero.
#pragma once

#include <cstdint>

#include "kernels/runtime/instruction_set.h"

namespace trifold::kernels::cpu {

/// One panel of y for some pixels: y[i, :] = [relu](b + sum over runs and j of x[i, run, j] w[run *
/// length + j, :] [+ addend[i, :]]).
struct OutputPanel {
  const float* x;
  const std::int64_t* x_offset;  ///< where each pixel's window begins
  std::int64_t runs;             ///< contiguous runs in a window, e.g. its rows
  std::int64_t run_length, run_stride;
  const float* w;  ///< (runs * run_length, width), packed
  const float* b;  ///< (width)
  float* y;
  const std::int64_t* y_offset;
  std::int64_t pixels;
  std::int64_t vectors;  ///< width / lanes: 1 or 2
  std::int64_t filters;  ///< lanes that are stored, <= width
  /// Laid out as y, or null: is added to the result. It may be y itself.
  const float* addend;
  bool relu;  ///< of the result, with the addend
};

/// One panel of dw for one run of the window: dw[j, :] = [dw[j, :] +] sum over rows and pixels of
/// x[row, pixel, j] dy[row, pixel, :].
struct WeightPanel {
  const float* x;
  std::int64_t x_row, x_pixel;  ///< strides
  const float* dy;              ///< readable over whole vectors
  std::int64_t dy_row, dy_pixel, dy_vector;
  std::int64_t rows, pixels;
  std::int64_t run_length;
  std::int64_t vectors;
  float* dw;  ///< (run_length, dw_stride)
  std::int64_t dw_stride;
  bool add;
};

/// One panel of a product of matrices whose rows lie close together: m[i, :] = [m[i, :] +] sum over
/// c of v[i, c] w[c, :]. Vectors of channels, and of filters, lie v_vector and m_vector floats
/// apart, and within one of them rows a vector apart.
struct ProductPanel {
  const float* v;
  std::int64_t v_vector;
  std::int64_t rows, channels;
  const float* w;  ///< (channels, width), packed
  float* m;
  std::int64_t m_vector;
  std::int64_t vectors;  ///< width / lanes: 1 or 2
  bool add;
};

/// The versions for one instruction set.
struct RegisterTiles {
  InstructionSet set;
  std::int64_t lanes;
  void (*output)(const OutputPanel&);
  void (*product)(const ProductPanel&);
  void (*weight)(const WeightPanel&);
};

/// The versions for active_instruction_set().
RegisterTiles register_tiles();

}  // namespace trifold::kernels::cpu
