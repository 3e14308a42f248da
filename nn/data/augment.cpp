#include "nn/data/augment.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"
#include "kernels/error.h"

namespace trifold::nn {

CropFlip draw_crop_flip(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index) {
  engine::Random random(seed, engine::streams::augment, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint32_t>(index));
  CropFlip choice;
  choice.top = random.uniform_int(2 * augmentation.pad + 1);
  choice.left = random.uniform_int(2 * augmentation.pad + 1);
  choice.mirrored = augmentation.flip && random.uniform_int(2) == 1;
  return choice;
}

PixelTable::PixelTable(const Normalisation& normalisation, std::int64_t channels)
    : channels_(channels) {
  require<ShapeError>(
      std::ssize(normalisation.mean) == channels && std::ssize(normalisation.std) == channels,
      "a normalisation of {} means and {} deviations does not fit {} channels",
      normalisation.mean.size(), normalisation.std.size(), channels);
  table_.reserve(static_cast<std::size_t>(channels * 256));
  for (std::size_t c = 0; c < normalisation.mean.size(); ++c) {
    const double mean = normalisation.mean[c];
    const double deviation = normalisation.std[c];
    require<ConfigError>(std::isfinite(mean) && std::isfinite(deviation) && deviation > 0,
                         "channel {} cannot be normalised by mean {} and deviation {}", c, mean,
                         deviation);
    for (int v = 0; v < 256; ++v) {
      table_.push_back(static_cast<float>((v / 255.0 - mean) / deviation));
    }
  }
}

void PixelTable::convert(const std::uint8_t* in, std::int64_t count, float* out) const {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* table = table_.data();
    for (std::int64_t c = 0; c < channels_; ++c, table += 256) *out++ = table[*in++];
  }
}

void PixelTable::convert_mirrored(const std::uint8_t* in, std::int64_t count, float* out) const {
  for (std::int64_t i = count - 1; i >= 0; --i, out += channels_) {
    convert(in + i * channels_, 1, out);
  }
}

void PixelTable::fill_black(std::int64_t count, float* out) const {
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t c = 0; c < channels_; ++c) *out++ = table_[static_cast<std::size_t>(c * 256)];
  }
}

void augment_image(const std::uint8_t* image, std::int64_t height, std::int64_t width,
                   std::int64_t channels, std::int64_t pad, const CropFlip& choice,
                   const PixelTable& table, float* out) {
  const std::int64_t down = choice.top - pad;  // output row y shows image row y + down
  const std::int64_t right = choice.left - pad;
  const std::int64_t begin = std::max<std::int64_t>(0, -right);  // columns that show the image
  const std::int64_t end = std::min(width, width - right);
  const std::int64_t first = choice.mirrored ? width - end : begin;  // the same in the output
  for (std::int64_t y = 0; y < height; ++y, out += width * channels) {
    const std::int64_t row = y + down;
    if (row < 0 || row >= height) {
      table.fill_black(width, out);
      continue;
    }
    const std::uint8_t* in = image + (row * width + begin + right) * channels;
    const std::int64_t count = end - begin;
    table.fill_black(first, out);
    if (choice.mirrored) {
      table.convert_mirrored(in, count, out + first * channels);
    } else {
      table.convert(in, count, out + first * channels);
    }
    table.fill_black(width - first - count, out + (first + count) * channels);
  }
}

}  // namespace trifold::nn
