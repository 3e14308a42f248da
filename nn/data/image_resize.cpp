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

/// The taps of destination pixels offset ... offset + count - 1 of an axis scaled from `src` to
/// `dst` pixels.
std::vector<Taps> axis_taps(std::int64_t src, std::int64_t dst, std::int64_t offset,
                            std::int64_t count) {
  const double scale = static_cast<double>(src) / static_cast<double>(dst);
  const double reach = std::max(1.0, scale);
  std::vector<Taps> taps;
  for (std::int64_t i = offset; i < offset + count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    const auto begin =
        std::max<std::int64_t>(0, static_cast<std::int64_t>(std::floor(centre - reach)) + 1);
    const auto end =
        std::min<std::int64_t>(src, static_cast<std::int64_t>(std::ceil(centre + reach)));
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

}  // namespace

Image resize_and_crop(const Image& image, std::int64_t side) {
  require<ConfigError>(side >= 1, "images cannot be resized to a side of {} pixels", side);
  require<ShapeError>(image.height >= 1 && image.width >= 1 && image.channels >= 1,
                      "an image of {} x {} x {} cannot be resized", image.height, image.width,
                      image.channels);
  const std::int64_t shorter = std::min(image.height, image.width);
  const std::int64_t scaled_h = image.height * side / shorter;
  const std::int64_t scaled_w = image.width * side / shorter;
  const auto rows = axis_taps(image.height, scaled_h, (scaled_h - side) / 2, side);
  const auto columns = axis_taps(image.width, scaled_w, (scaled_w - side) / 2, side);
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

}  // namespace trifold::nn
