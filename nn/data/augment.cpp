#include "nn/data/augment.h"

#include <cmath>

#include "engine/random.h"
#include "kernels/runtime/error.h"

namespace trifold::nn {

kernels::Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index) {
  engine::Random random(seed, engine::random_streams::augment, static_cast<std::uint32_t>(epoch),
                        static_cast<std::uint32_t>(index));
  const auto shift = [&] {
    return static_cast<std::int32_t>(random.uniform_int(2 * augmentation.pad + 1) -
                                     augmentation.pad);
  };
  kernels::Crop crop;
  crop.down = shift();
  crop.right = shift();
  crop.mirrored = augmentation.flip && random.uniform_int(2) == 1 ? 1 : 0;
  return crop;
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
