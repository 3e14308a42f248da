#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.h"
#include "nn/data/image.h"

namespace trifold::nn {
namespace {

/// The source pixels that make one destination pixel: weights[k] belongs to pixel first + k.
struct Taps {
  std::int64_t first;
  std::vector<float> weights;
};

/// What is sampled along an axis: `extent` pixels from `begin` on, of which those in [first, last)
/// count.
struct Span {
  double begin, extent;
  std::int64_t first, last;
};

/// The taps of destination pixels offset ... offset + count - 1 of a span scaled to `dst` pixels.
std::vector<Taps> axis_taps(const Span& src, std::int64_t dst, std::int64_t offset,
                            std::int64_t count) {
  const double scale = src.extent / static_cast<double>(dst);
  const double reach = std::max(1.0, scale);
  std::vector<Taps> taps;
  for (std::int64_t i = offset; i < offset + count; ++i) {
    const double centre = src.begin + (static_cast<double>(i) + 0.5) * scale - 0.5;
    const auto begin =
        std::max(src.first, static_cast<std::int64_t>(std::floor(centre - reach)) + 1);
    const auto end = std::min(src.last, static_cast<std::int64_t>(std::ceil(centre + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t t = begin; t < end; ++t) {
      weights.push_back(std::max(0.0, 1.0 - std::abs(static_cast<double>(t) - centre) / reach));
      sum += weights.back();
    }
    Taps tap{begin, {}};
    for (const double weight : weights) tap.weights.push_back(static_cast<float>(weight / sum));
    taps.push_back(std::move(tap));
  }
  return taps;
}

/// A whole axis.
Span whole(std::int64_t src) { return {0.0, static_cast<double>(src), 0, src}; }

/// The pixels of an axis that a window touches.
Span touched(double begin, double extent) {
  return {begin, extent, static_cast<std::int64_t>(std::floor(begin)),
          static_cast<std::int64_t>(std::ceil(begin + extent))};
}

void require_usable(const Image& image, std::int64_t side) {
  require<ConfigError>(side >= 1, "images cannot be resized to a side of {} pixels", side);
  require<ShapeError>(image.height >= 1 && image.width >= 1 && image.channels >= 1,
                      "an image of {} x {} x {} cannot be resized", image.height, image.width,
                      image.channels);
}

/// The side x side image that the taps of its rows and columns give.
Image sample(const Image& image, std::int64_t side, const std::vector<Taps>& rows,
             const std::vector<Taps>& columns) {
  const std::int64_t c = image.channels;

  // Columns first, and only in the rows that the second pass will read.
  const std::int64_t first_row = rows.front().first;
  const std::int64_t last_row = rows.back().first + std::ssize(rows.back().weights);
  std::vector<float> narrow(static_cast<std::size_t>((last_row - first_row) * side * c));
  float* out = narrow.data();
  for (std::int64_t y = first_row; y < last_row; ++y) {
    for (const Taps& tap : columns) {
      const std::uint8_t* in = image.pixels.data() + (y * image.width + tap.first) * c;
      for (const float weight : tap.weights) {
        for (std::int64_t k = 0; k < c; ++k) out[k] += weight * static_cast<float>(in[k]);
        in += c;
      }
      out += c;
    }
  }

  Image result{side, side, c, {}};
  result.pixels.reserve(static_cast<std::size_t>(side * side * c));
  std::vector<float> row(static_cast<std::size_t>(side * c));
  for (const Taps& tap : rows) {
    std::fill(row.begin(), row.end(), 0.5F);  // rounds when the fraction is cut off
    const float* in = narrow.data() + (tap.first - first_row) * side * c;
    for (const float weight : tap.weights) {
      for (float& sum : row) sum += weight * *in++;
    }
    for (const float sum : row) {
      result.pixels.push_back(static_cast<std::uint8_t>(std::clamp(sum, 0.0F, 255.0F)));
    }
  }
  return result;
}

}  // namespace

Image resize_and_crop(const Image& image, std::int64_t side) {
  require_usable(image, side);
  const std::int64_t shorter = std::min(image.height, image.width);
  const std::int64_t scaled_h = image.height * side / shorter;
  const std::int64_t scaled_w = image.width * side / shorter;
  return sample(image, side, axis_taps(whole(image.height), scaled_h, (scaled_h - side) / 2, side),
                axis_taps(whole(image.width), scaled_w, (scaled_w - side) / 2, side));
}

Image resize_window(const Image& image, const Window& window, std::int64_t side) {
  require_usable(image, side);
  const Span rows = touched(window.top, window.height);
  const Span columns = touched(window.left, window.width);
  require<ShapeError>(
      window.height > 0 && window.width > 0 && rows.first >= 0 && rows.last <= image.height &&
          columns.first >= 0 && columns.last <= image.width,
      "a window of {} x {} pixels at ({}, {}) does not lie in an image of {} x {}", window.height,
      window.width, window.top, window.left, image.height, image.width);
  return sample(image, side, axis_taps(rows, side, 0, side), axis_taps(columns, side, 0, side));
}

}  // namespace trifold::nn
