#include <algorithm>

#include "kernels/backends.h"
#include "kernels/cpu/conv2d_algorithm.h"
#include "kernels/cpu/conv2d_passes.h"
#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {
namespace {

/// Parts of the work whose gradients are summed apart. By the shape alone: enough to share, few
/// enough for their partial sums to stay small.
std::int64_t parts_of(std::int64_t bands, std::int64_t partial_floats) {
  constexpr std::int64_t most_parts = 16, most_floats = std::int64_t{1} << 24;
  const std::int64_t fitting = std::max<std::int64_t>(2, most_floats / partial_floats);
  return std::min({bands, most_parts, fitting});
}

/// db = the sum of the rows of dy, in parts that are added in order.
void backward_bias(const Exec& ex, std::int64_t rows, std::int64_t k, const float* dy, float* db) {
  const std::int64_t parts = std::min<std::int64_t>(rows, 32);
  thread_local Scratch scratch;
  float* const partials = scratch.floats(parts * k);
  parallel(ex, parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      float* const sum = partials + part * k;
      std::fill(sum, sum + k, 0.0f);
      for (std::int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) {
        for (std::int64_t f = 0; f < k; ++f) sum[f] += dy[row * k + f];
      }
    }
  });
  std::copy(partials, partials + k, db);
  for (std::int64_t part = 1; part < parts; ++part) {
    for (std::int64_t f = 0; f < k; ++f) db[f] += partials[part * k + f];
  }
}

}  // namespace

void backward_weight_pass(const Exec& ex, const Conv2dShape& s, const Source& source,
                          const float* dy, float* dw) {
  if (conv2d_algorithm(s, Conv2dPass::backward_weight) == Conv2dAlgorithm::winograd) {
    winograd_backward_weight(ex, forward_correlation(s), source, dy, dw);
    return;
  }
  const Tiles tiles = cpu::tiles();
  const Panels panels{s.k, tiles.lanes};
  const Correlation correlation = forward_correlation(s);
  const std::int64_t q = s.q(), width = panels.padded(), terms = s.r * s.s * s.c;
  const std::int64_t partial_floats = terms * width;
  const std::int64_t rows_a_band = band_rows(correlation);
  const std::int64_t image_bands = (s.p() + rows_a_band - 1) / rows_a_band;
  const std::int64_t bands = s.n * image_bands;
  const std::int64_t parts = parts_of(bands, partial_floats);
  thread_local Scratch partial_scratch;
  float* partials = partial_scratch.floats(parts * partial_floats);

  const auto add_band = [&](std::int64_t image, std::int64_t first, float* partial) {
    const std::int64_t rows = std::min(rows_a_band, s.p() - first);
    const Band band = padded_band(correlation, source, image, first, rows);
    const float* gradient = dy + (image * s.p() + first) * q * s.k;
    if (width != s.k) {  // vectors of dy may read past its last filter
      thread_local Scratch gradient_scratch;
      float* widened = gradient_scratch.floats(rows * q * width);
      for (std::int64_t i = 0; i < rows * q; ++i) {
        std::copy(gradient + i * s.k, gradient + (i + 1) * s.k, widened + i * width);
        std::fill(widened + i * width + s.k, widened + (i + 1) * width, 0.0f);
      }
      gradient = widened;
    }
    for (std::int64_t panel = 0; panel < panels.count(); ++panel)
      for (std::int64_t r = 0; r < s.r; ++r)
        tiles.weight({.x = band.x + r * band.row,
                      .x_row = s.stride_h * band.row,
                      .x_pixel = s.stride_w * s.c,
                      .dy = gradient + panels.begin(panel),
                      .dy_row = q * width,
                      .dy_pixel = width,
                      .rows = rows,
                      .pixels = q,
                      .run_length = s.s * s.c,
                      .vectors = panels.vectors(panel),
                      .dw = partial + r * s.s * s.c * width + panels.begin(panel),
                      .dw_stride = width});
  };
  parallel(ex, parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      float* partial = partials + part * partial_floats;
      std::fill(partial, partial + partial_floats, 0.0f);
      for (std::int64_t i = bands * part / parts; i < bands * (part + 1) / parts; ++i)
        add_band(i / image_bands, i % image_bands * rows_a_band, partial);
    }
  });
  parallel(ex, terms, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) {
      float* to = dw + j * s.k;
      const float* from = partials + j * width;
      std::copy(from, from + s.k, to);
      for (std::int64_t part = 1; part < parts; ++part) {
        from += partial_floats;
        for (std::int64_t f = 0; f < s.k; ++f) to[f] += from[f];
      }
    }
  });
}

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  check(s);
  if (db != nullptr) backward_bias(ex, s.n * s.p() * s.q(), s.k, dy, db);
  backward_weight_pass(ex, s, {x}, dy, dw);
}

}  // namespace trifold::kernels::cpu
