#include <algorithm>

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/cpu/conv2d/winograd.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// db = the sum of the rows of dy, in parts that are added in order.
void backward_bias(const Exec& ex, std::int64_t rows, std::int64_t k, const float* dy, float* db) {
  const std::int64_t parts = std::min<std::int64_t>(rows, 32);  // as many threads may share
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

/// The norm of the channels from c on.
InputNorm from_channel(InputNorm norm, std::int64_t c) {
  norm.mean += c;
  norm.scale += c;
  norm.shift += c;
  return norm;
}

/// How a weight gradient is cut, by the shape alone. Bands of output rows are added up in parts;
/// weights that are more than a level 1 cache holds are cut into slices of channels, each with its
/// own bands, so that fewer parts have partial sums of them.
struct Cut {
  std::int64_t slice;  ///< channels
  std::int64_t slices, band_rows, image_bands, parts;

  Cut(const Correlation& s, std::int64_t filters) {
    // 128 KiB of weights, which a level 1 cache doesn't hold but a level 2 cache does beside all
    // else, are the most that isn't sliced; 512 KiB of sums of a slice and a tap, and a band's
    // gradients, fit a level 2 cache of 1 MiB together.
    constexpr std::int64_t unsliced_floats = 1 << 15, slice_floats = 1 << 17;
    constexpr std::int64_t most_channels = 128, least_channels = 16, band_pixels = 96;
    constexpr std::int64_t most_parts = 16;  // as many threads may share the work
    const bool sliced = s.r * s.s * s.c * filters > unsliced_floats;
    const std::int64_t fitting =
        std::clamp(slice_floats / filters / 16 * 16, least_channels, most_channels);
    slice = sliced ? std::min(s.c, fitting) : s.c;
    slices = (s.c + slice - 1) / slice;
    band_rows = sliced ? std::clamp<std::int64_t>(band_pixels / s.q, 1, s.p) : cpu::band_rows(s);
    image_bands = (s.p + band_rows - 1) / band_rows;
    parts = s.one_thread ? 1 : std::clamp<std::int64_t>(most_parts / slices, 1, s.n * image_bands);
  }
};

/// dy of `count` pixels of `filters` as an array: from.g, or what is evaluated into `stored_dy`.
const float* evaluate_gradient(const Exec& ex, const OutputGradient& from, std::int64_t count,
                               std::int64_t filters, float* stored_dy) {
  if (from.y == nullptr) return from.g;
  const PixelPasses passes = pixel_passes();
  for_ranges(ex, count, grain_of(filters), [&](std::int64_t begin, std::int64_t end) {
    passes.output_gradient(from, filters, begin, end - begin, stored_dy + begin * filters);
  });
  return stored_dy;
}

/// Bands of output rows by the register tiles.
class DirectWeightGradient : public WeightGradient {
 public:
  DirectWeightGradient(const Correlation& s, Scratch& scratch)
      : s_(s), partials_(scratch.floats(cut_.parts * partial_floats_)) {}

  void add(const Exec& ex, std::int64_t images, const Operand& operand, const OutputGradient& from,
           float* stored_dy) override {
    const float* const dy = evaluate_gradient(ex, from, images * s_.p * s_.q, s_.k, stored_dy);
    const std::int64_t bands = images * cut_.image_bands;
    parallel(ex, cut_.slices * cut_.parts, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t part = task % cut_.parts, c = task / cut_.parts * cut_.slice;
        float* const partial = partials_ + part * partial_floats_;
        if (first_) clear(c, partial);
        for (std::int64_t i = bands * part / cut_.parts; i < bands * (part + 1) / cut_.parts; ++i) {
          add_band(i / cut_.image_bands, i % cut_.image_bands * cut_.band_rows, c, operand, dy,
                   partial);
        }
      }
    });
    first_ = false;
  }

  void finish(const Exec& ex, float* dw) override {
    parallel(ex, terms_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin; j < end; ++j) {
        float* to = dw + j * s_.k;
        const float* from = partials_ + j * width_;
        std::copy(from, from + s_.k, to);
        for (std::int64_t part = 1; part < cut_.parts; ++part) {
          from += partial_floats_;
          for (std::int64_t f = 0; f < s_.k; ++f) to[f] += from[f];
        }
      }
    });
  }

 private:
  std::int64_t channels_of(std::int64_t c) const { return std::min(cut_.slice, s_.c - c); }

  /// The sums of the slice that begins with channel c.
  void clear(std::int64_t c, float* partial) const {
    for (std::int64_t tap = 0; tap < s_.r * s_.s; ++tap) {
      std::fill_n(partial + (tap * s_.c + c) * width_, channels_of(c) * width_, 0.0f);
    }
  }

  /// Adds up the slice that begins with channel c over the band that begins with row `first`.
  void add_band(std::int64_t image, std::int64_t first, std::int64_t c, const Operand& operand,
                const float* dy, float* partial) const {
    const std::int64_t rows = std::min(cut_.band_rows, s_.p - first);
    const bool sliced = cut_.slices > 1;
    Correlation slice = s_;
    slice.c = channels_of(c);
    const std::int64_t pixel = sliced ? odd_lines(slice.c) : s_.c;
    InputNorm norm;
    Operand of_slice{operand.x + c, operand.pitch};
    if (operand.norm != nullptr) {
      norm = from_channel(*operand.norm, c);
      of_slice.norm = &norm;
    }
    const Band band = padded_band(slice, of_slice, image, first, rows, pixel);
    const float* const gradient =
        packed_gradient(dy + (image * s_.p + first) * s_.q * s_.k, rows * s_.q);
    // Taps of a row lie side by side in dw, too, unless they are sliced.
    const std::int64_t runs = sliced ? s_.s : 1;
    for (std::int64_t panel = 0; panel < panels_.count(); ++panel) {
      const std::int64_t f = panels_.begin(panel);
      const std::int64_t lanes = panels_.vectors(panel) * tiles_.lanes;
      for (std::int64_t run = 0; run < s_.r * runs; ++run) {
        const std::int64_t tap = run * (s_.s / runs);
        tiles_.weight({.x = band.x + run / runs * band.row + run % runs * band.pixel,
                       .x_row = s_.stride_h * band.row,
                       .x_pixel = s_.stride_w * band.pixel,
                       .dy = gradient + f * rows * s_.q,
                       .dy_row = s_.q * lanes,
                       .dy_pixel = lanes,
                       .dy_vector = tiles_.lanes,
                       .rows = rows,
                       .pixels = s_.q,
                       .run_length = s_.s / runs * slice.c,
                       .vectors = panels_.vectors(panel),
                       .dw = partial + (tap * s_.c + c) * width_ + f,
                       .dw_stride = width_,
                       .add = true});
      }
    }
  }

  /// A band's gradients in panels, whose vectors may read past the last filter.
  const float* packed_gradient(const float* dy, std::int64_t pixels) const {
    if (panels_.count() == 1 && width_ == s_.k) return dy;
    thread_local Scratch scratch;
    float* const packed = scratch.floats(pixels * width_);
    for (std::int64_t i = 0; i < pixels; ++i) {
      for (std::int64_t panel = 0; panel < panels_.count(); ++panel) {
        const std::int64_t f = panels_.begin(panel), valid = std::min(panels_.lanes * 2, s_.k - f);
        const std::int64_t lanes = panels_.vectors(panel) * panels_.lanes;
        float* const to = packed + f * pixels + i * lanes;
        std::copy(dy + i * s_.k + f, dy + i * s_.k + f + valid, to);
        std::fill(to + valid, to + lanes, 0.0f);
      }
    }
    return packed;
  }

  Correlation s_;
  RegisterTiles tiles_ = cpu::register_tiles();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t width_ = panels_.padded(), terms_ = s_.r * s_.s * s_.c;
  std::int64_t partial_floats_ = terms_ * width_;
  Cut cut_{s_, width_};
  float* partials_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<WeightGradient> weight_gradient(const Conv2dShape& s, std::int64_t images,
                                                bool one_thread, Scratch& scratch) {
  Correlation correlation = forward_correlation(s);
  correlation.n = images;
  correlation.one_thread = one_thread;
  if (conv2d_algorithm(s, Conv2dPass::backward_weight) == Conv2dAlgorithm::winograd) {
    return winograd_weight_gradient(correlation, scratch);
  }
  return std::make_unique<DirectWeightGradient>(correlation, scratch);
}

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  check(s);
  if (db != nullptr) backward_bias(ex, s.n * s.p() * s.q(), s.k, dy, db);
  thread_local Scratch scratch;
  const auto gradient = weight_gradient(s, s.n, false, scratch);
  gradient->add(ex, s.n, {x, s.c}, {.g = dy}, nullptr);
  gradient->finish(ex, dw);
}

}  // namespace trifold::kernels::cpu
