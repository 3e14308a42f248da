#include "nn/data/color_jitter.h"

#include <algorithm>
#include <vector>

#include "engine/random.h"

namespace trifold::nn {
namespace {

using Kind = ColorChange::Kind;

float grey_of(const std::uint8_t* pixel, std::int64_t channels) {
  if (channels == 1) return pixel[0];
  const float grey = 0.2989f * static_cast<float>(pixel[0]) +
                     0.587f * static_cast<float>(pixel[1]) + 0.114f * static_cast<float>(pixel[2]);
  return static_cast<float>(static_cast<std::uint8_t>(grey));
}

float mean_grey(std::span<const std::uint8_t> pixels, std::int64_t channels) {
  std::int64_t sum = 0;
  const std::int64_t count = std::ssize(pixels) / channels;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += static_cast<std::int64_t>(grey_of(pixels.data() + i * channels, channels));
  }
  return static_cast<float>(static_cast<double>(sum) / static_cast<double>(count));
}

std::uint8_t blend(std::uint8_t value, float base, float factor) {
  const float mixed = factor * static_cast<float>(value) + (1.0f - factor) * base;
  return static_cast<std::uint8_t>(std::clamp(mixed, 0.0f, 255.0f));
}

}  // namespace

ColorChange draw_color_change(const ColorJitter& jitter, std::uint64_t seed, std::int64_t epoch,
                              std::int64_t index) {
  engine::Random random(seed, engine::random_streams::color, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint32_t>(index));
  const auto factor = [&](float most) {
    const double low = std::max(0.0, 1.0 - static_cast<double>(most)), high = 1.0 + most;
    return static_cast<float>(low + (high - low) * random.uniform());
  };
  std::vector<ColorChange::Step> steps;
  steps.push_back({Kind::brightness, factor(jitter.brightness)});
  steps.push_back({Kind::contrast, factor(jitter.contrast)});
  steps.push_back({Kind::saturation, factor(jitter.saturation)});
  random.shuffle(steps);
  return {{steps[0], steps[1], steps[2]}};
}

void change_colors(const ColorChange& change, std::span<std::uint8_t> pixels,
                   std::int64_t channels) {
  for (const auto& [kind, factor] : change.steps) {
    if (factor == 1.0f) continue;
    const float mean = kind == Kind::contrast ? mean_grey(pixels, channels) : 0.0f;
    for (std::size_t i = 0; i < pixels.size(); i += static_cast<std::size_t>(channels)) {
      std::uint8_t* const pixel = pixels.data() + i;
      const float base = kind == Kind::saturation ? grey_of(pixel, channels) : mean;
      for (std::int64_t c = 0; c < channels; ++c) pixel[c] = blend(pixel[c], base, factor);
    }
  }
}

}  // namespace trifold::nn
