#include "nn/data/normalisation.h"

#include <array>
#include <cmath>

namespace trifold::nn {

Normalisation no_normalisation(std::int64_t channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<float>(n, 0.0F), std::vector<float>(n, 1.0F)};
}

Normalisation measure_normalisation(const Dataset& dataset) {
  check(dataset);
  const auto channels = static_cast<std::size_t>(dataset.channels);
  std::vector<std::array<std::int64_t, 256>> histogram(channels);
  for (std::size_t i = 0; i < dataset.pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) ++histogram[c][dataset.pixels[i + c]];
  }
  const auto samples = static_cast<double>(dataset.count * dataset.height * dataset.width);
  Normalisation result;
  for (const auto& counts : histogram) {
    std::int64_t sum = 0;
    for (std::int64_t v = 0; v < 256; ++v) sum += v * counts[static_cast<std::size_t>(v)];
    const double mean = static_cast<double>(sum) / samples;
    double squares = 0;
    for (std::size_t v = 0; v < 256; ++v) {
      const double offset = static_cast<double>(v) - mean;
      squares += offset * offset * static_cast<double>(counts[v]);
    }
    const double deviation = std::sqrt(squares / samples);
    result.mean.push_back(static_cast<float>(mean / 255.0));
    result.std.push_back(deviation > 0 ? static_cast<float>(deviation / 255.0) : 1.0F);
  }
  return result;
}

}  // namespace trifold::nn
