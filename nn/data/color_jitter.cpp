#include "nn/data/color_jitter.h"

#include <algorithm>
#include <cmath>
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

// x - floor(x): exact for x >= 0.
float fraction(float x) { return x - std::floor(x); }

// The hue counts sixths of a turn from red over green to blue; in each sixth one of the channels is
// the largest, one the least, and one on its way between them.
void turn_hue(std::uint8_t* pixel, float turns) {
  const auto [least, most] = std::minmax({pixel[0], pixel[1], pixel[2]});
  if (least == most) return;
  const auto share = [](std::uint8_t value) { return static_cast<float>(value) / 255.0f; };
  const float v = share(most), chroma = v - share(least), s = chroma / v;
  const float r = (v - share(pixel[0])) / chroma, g = (v - share(pixel[1])) / chroma,
              b = (v - share(pixel[2])) / chroma;
  const float from_red = most == pixel[0] ? b - g : most == pixel[1] ? 2.0f + r - b : 4.0f + g - r;
  const float sixths = 6.0f * fraction(fraction(from_red / 6.0f + 1.0f) + turns);
  const float sector = std::floor(sixths), f = sixths - sector;
  const float low = v * (1.0f - s), falling = v * (1.0f - s * f),
              rising = v * (1.0f - s * (1.0f - f));
  const std::array<std::array<float, 3>, 6> colors = {{{v, rising, low},
                                                       {falling, v, low},
                                                       {low, v, rising},
                                                       {low, falling, v},
                                                       {rising, low, v},
                                                       {v, low, falling}}};
  // A turn that is rounded up to a whole one ends where it began.
  const std::array<float, 3>& color = colors[static_cast<std::size_t>(sector) % 6];
  for (std::size_t c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(255.999f * color[c]);
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
  const double turns = static_cast<double>(jitter.hue) * (2.0 * random.uniform() - 1.0);
  const std::int64_t place = random.uniform_int(std::ssize(steps) + 1);
  steps.insert(steps.begin() + place, {Kind::hue, static_cast<float>(turns)});
  return {{steps[0], steps[1], steps[2], steps[3]}};
}

void change_colors(const ColorChange& change, std::span<std::uint8_t> pixels,
                   std::int64_t channels) {
  for (const ColorChange::Step& step : change.steps) {
    if (!step.changes()) continue;
    const auto [kind, factor] = step;
    const float mean = kind == Kind::contrast ? mean_grey(pixels, channels) : 0.0f;
    for (std::size_t i = 0; i < pixels.size(); i += static_cast<std::size_t>(channels)) {
      std::uint8_t* const pixel = pixels.data() + i;
      if (kind == Kind::hue) {
        if (channels == 3) turn_hue(pixel, factor);
        continue;
      }
      const float base = kind == Kind::saturation ? grey_of(pixel, channels) : mean;
      for (std::int64_t c = 0; c < channels; ++c) pixel[c] = blend(pixel[c], base, factor);
    }
  }
}

}  // namespace trifold::nn
