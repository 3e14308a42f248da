/// The steps that the three passes of a convolution share: packing weights into panels, padding a
/// band of rows, and running the output tiles over all bands.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/conv2d/pixel_passes.h"
#include "kernels/cpu/conv2d/register_tiles.h"
#include "kernels/norm_conv2d.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels::cpu {

/// Filters in panels of two vectors, and a last one of one vector if that is enough.
struct Panels {
  std::int64_t filters, lanes;

  std::int64_t count() const { return (filters + 2 * lanes - 1) / (2 * lanes); }
  std::int64_t padded() const { return (filters + lanes - 1) / lanes * lanes; }
  std::int64_t begin(std::int64_t panel) const { return panel * 2 * lanes; }
  std::int64_t vectors(std::int64_t panel) const {
    return padded() - begin(panel) >= 2 * lanes ? 2 : 1;
  }
};

/// A cross-correlation with its taps already in `w`. Pads may be negative: they crop.
struct Correlation {
  std::int64_t n, h, w, c;          // what is read
  std::int64_t k, r, s;             // filters and window
  std::int64_t stride_h, stride_w;  // of the window over the input
  std::int64_t pad_top, pad_left;
  std::int64_t p, q;                     // output pixels an image
  std::int64_t y_image, y_row, y_pixel;  // output strides in floats
  bool one_thread = false;               // works it all: nothing is cut for others to share
};

/// Packs (rows, filters), element (j, f) at row(j) + f * stride, into panels at `to`, which holds
/// rows * panels.padded() floats.
template <class Row>
void pack_panels(const Exec& ex, const Panels& panels, std::int64_t rows, std::int64_t stride,
                 const Row& row, float* to);

/// What a correlation reads: x, or norm(x), worked out as it is read. Zeros outside the images.
/// Pixels are `pitch` floats apart.
struct Operand {
  const float* x;
  std::int64_t pitch;
  const InputNorm* norm = nullptr;
};

/// The rows of one image that some output rows read, with zeros outside the image.
struct Band {
  const float* x;           // first element of the first window
  std::int64_t row, pixel;  // strides in floats
};

/// Output rows a band: enough pixels to fill tiles, few enough for the padded input to stay in a
/// level 2 cache. Depends on the shape alone.
std::int64_t band_rows(const Correlation& s);

/// Points into the image where no window leaves it, there is no norm and its pixels are `pixel`
/// floats apart, else copies into this thread's scratch.
Band padded_band(const Correlation& s, const Operand& operand, std::int64_t image,
                 std::int64_t first_row, std::int64_t rows, std::int64_t pixel);

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// At least `floats`, and an odd number of cache lines: rows this far apart spread over all sets of
/// a level 1 cache.
constexpr std::int64_t odd_lines(std::int64_t floats) {
  constexpr std::int64_t line = 16;
  return ((floats + line - 1) / line | 1) * line;
}

/// An epilogue for each part of a correlation's result, as soon as that is written and while it
/// lies in the cache.
class PartEpilogue {
 public:
  virtual ~PartEpilogue() = default;
  /// Called before a correlation starts. How it is cut depends on the shape alone.
  virtual void start(std::int64_t parts) = 0;
  /// Called once a part, for several parts at a time; its pixels begin at y + offset.
  virtual void apply(std::int64_t part, float* y, const Pixels& pixels) = 0;
};

/// What is done to the result of a correlation before it is stored, and after.
struct Epilogue {
  const float* b = nullptr;       ///< (k)
  const float* addend = nullptr;  ///< laid out as y, which it may be
  bool relu = false;
  PartEpilogue* parts = nullptr;
};

/// y = [relu](b + correlation of the operand with `packed` [+ addend]).
void correlate(const Exec& ex, const RegisterTiles& tiles, const Correlation& s,
               const Operand& operand, const float* packed, const Epilogue& epilogue, float* y);

/// Runs body(begin, end) over [0, count) on the pool, or on the caller alone without one.
template <class Body>
void parallel(const Exec& ex, std::int64_t count, const Body& body);

}  // namespace trifold::kernels::cpu

#include "kernels/runtime/thread_pool.h"

template <class Body>
void trifold::kernels::cpu::parallel(const Exec& ex, std::int64_t count, const Body& body) {
  if (ex.pool == nullptr) {
    body(std::int64_t{0}, count);
  } else {
    ex.pool->parallel_for(count, body);
  }
}

template <class Row>
void trifold::kernels::cpu::pack_panels(const Exec& ex, const Panels& panels, std::int64_t rows,
                                        std::int64_t stride, const Row& row, float* to) {
  // Few enough rows for a panel's part to stay in the level 1 cache while it is filled by columns.
  constexpr std::int64_t most = 32;
  const std::int64_t blocks = (rows + most - 1) / most;
  parallel(ex, panels.count() * blocks, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t panel = task / blocks, first = task % blocks * most;
      const std::int64_t count = std::min(most, rows - first);
      const std::int64_t width = panels.vectors(panel) * panels.lanes;
      const std::int64_t filters = std::min(width, panels.filters - panels.begin(panel));
      float* const part = to + panels.begin(panel) * rows + first * width;
      const float* from[most];
      for (std::int64_t j = 0; j < count; ++j) {
        from[j] = row(first + j) + panels.begin(panel) * stride;
      }
      for (std::int64_t f = 0; f < filters; ++f) {
        for (std::int64_t j = 0; j < count; ++j) part[j * width + f] = from[j][f * stride];
      }
      for (std::int64_t j = 0; j < count; ++j) {
        std::fill(part + j * width + filters, part + (j + 1) * width, 0.0f);
      }
    }
  });
}
