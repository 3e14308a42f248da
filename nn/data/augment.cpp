#include "nn/data/augment.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"
#include "kernels/runtime/error.h"

namespace trifold::nn {

kernels::Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index) {
  engine::Random random(seed, engine::random_streams::augment, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint32_t>(index));
  const std::int64_t pad = augmentation.resized ? 0 : augmentation.pad;
  const auto shift = [&] {
    return static_cast<std::int32_t>(random.uniform_int(2 * pad + 1) - pad);
  };
  kernels::Crop crop;
  crop.down = shift();
  crop.right = shift();
  crop.mirrored = augmentation.flip && random.uniform_int(2) == 1 ? 1 : 0;
  return crop;
}

Window draw_window(std::uint64_t seed, std::int64_t epoch, std::int64_t index, std::int64_t height,
                   std::int64_t width) {
  constexpr double least_area = 0.08, most_area = 1;
  constexpr double least_ratio = 3.0 / 4.0, most_ratio = 4.0 / 3.0;  // of width to height
  constexpr int attempts = 10;
  engine::Random random(seed, engine::random_streams::window, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint32_t>(index));
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * random.uniform();
  };
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  for (int i = 0; i < attempts; ++i) {
    const double area = h * w * uniform(least_area, most_area);
    const double ratio = std::exp(uniform(std::log(least_ratio), std::log(most_ratio)));
    Window window;
    window.width = std::nearbyint(std::sqrt(area * ratio));
    window.height = std::nearbyint(std::sqrt(area / ratio));
    if (window.width < 1 || window.width > w || window.height < 1 || window.height > h) continue;
    const auto place = [&](double room) {
      return static_cast<double>(random.uniform_int(static_cast<std::int64_t>(room) + 1));
    };
    window.top = place(h - window.height);
    window.left = place(w - window.width);
    return window;
  }
  Window window;
  window.width = std::min(w, std::nearbyint(h * most_ratio));
  window.height = std::min(h, std::nearbyint(w / least_ratio));
  window.top = std::floor((h - window.height) / 2);
  window.left = std::floor((w - window.width) / 2);
  return window;
}

std::vector<float> pixel_table(const Normalisation& normalisation, std::int64_t channels) {
  require<ShapeError>(
      std::ssize(normalisation.mean) == channels && std::ssize(normalisation.std) == channels,
      "a normalisation of {} means and {} deviations does not fit {} channels",
      normalisation.mean.size(), normalisation.std.size(), channels);
  std::vector<float> table;
  table.reserve(static_cast<std::size_t>(channels * 256));
  for (std::size_t c = 0; c < normalisation.mean.size(); ++c) {
    const double mean = normalisation.mean[c];
    const double deviation = normalisation.std[c];
    require<ConfigError>(std::isfinite(mean) && std::isfinite(deviation) && deviation > 0,
                         "channel {} cannot be normalised by mean {} and deviation {}", c, mean,
                         deviation);
    for (int v = 0; v < 256; ++v) {
      table.push_back(static_cast<float>((v / 255.0 - mean) / deviation));
    }
  }
  return table;
}

}  // namespace trifold::nn
