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

/// Bands of output rows by the register tiles.
class DirectWeightGradient : public WeightGradient {
 public:
  DirectWeightGradient(const Correlation& s, Scratch& scratch)
      : s_(s),
        parts_(parts_of(s.n * image_bands_, partial_floats_)),
        partials_(scratch.floats(parts_ * partial_floats_)) {}

  void add(const Exec& ex, std::int64_t images, const Source& source, const float* dy) override {
    const std::int64_t bands = images * image_bands_;
    parallel(ex, parts_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        float* const partial = partials_ + part * partial_floats_;
        if (first_) std::fill(partial, partial + partial_floats_, 0.0f);
        for (std::int64_t i = bands * part / parts_; i < bands * (part + 1) / parts_; ++i) {
          add_band(i / image_bands_, i % image_bands_ * rows_a_band_, source, dy, partial);
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
        for (std::int64_t part = 1; part < parts_; ++part) {
          from += partial_floats_;
          for (std::int64_t f = 0; f < s_.k; ++f) to[f] += from[f];
        }
      }
    });
  }

 private:
  void add_band(std::int64_t image, std::int64_t first, const Source& source, const float* dy,
                float* partial) const {
    const std::int64_t rows = std::min(rows_a_band_, s_.p - first);
    const Band band = padded_band(s_, source, image, first, rows);
    const float* gradient = dy + (image * s_.p + first) * s_.q * s_.k;
    if (width_ != s_.k) {  // vectors of dy may read past its last filter
      thread_local Scratch gradient_scratch;
      float* const widened = gradient_scratch.floats(rows * s_.q * width_);
      for (std::int64_t i = 0; i < rows * s_.q; ++i) {
        std::copy(gradient + i * s_.k, gradient + (i + 1) * s_.k, widened + i * width_);
        std::fill(widened + i * width_ + s_.k, widened + (i + 1) * width_, 0.0f);
      }
      gradient = widened;
    }
    for (std::int64_t panel = 0; panel < panels_.count(); ++panel)
      for (std::int64_t r = 0; r < s_.r; ++r)
        tiles_.weight({.x = band.x + r * band.row,
                       .x_row = s_.stride_h * band.row,
                       .x_pixel = s_.stride_w * s_.c,
                       .dy = gradient + panels_.begin(panel),
                       .dy_row = s_.q * width_,
                       .dy_pixel = width_,
                       .rows = rows,
                       .pixels = s_.q,
                       .run_length = s_.s * s_.c,
                       .vectors = panels_.vectors(panel),
                       .dw = partial + r * s_.s * s_.c * width_ + panels_.begin(panel),
                       .dw_stride = width_});
  }

  Correlation s_;
  Tiles tiles_ = cpu::tiles();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t width_ = panels_.padded(), terms_ = s_.r * s_.s * s_.c;
  std::int64_t partial_floats_ = terms_ * width_;
  std::int64_t rows_a_band_ = band_rows(s_);
  std::int64_t image_bands_ = (s_.p + rows_a_band_ - 1) / rows_a_band_;
  std::int64_t parts_;
  float* partials_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<WeightGradient> weight_gradient(const Conv2dShape& s, std::int64_t images,
                                                Scratch& scratch) {
  Correlation correlation = forward_correlation(s);
  correlation.n = images;
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
  const auto gradient = weight_gradient(s, s.n, scratch);
  gradient->add(ex, s.n, {x}, dy);
  gradient->finish(ex, dw);
}

}  // namespace trifold::kernels::cpu
