#include "nn/data/normalisation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "nn/data/loader.h"

namespace trifold::nn {
namespace {

/// How often each byte occurs, of each channel.
using Histograms = std::vector<std::array<std::int64_t, 256>>;

void count(const std::vector<std::uint8_t>& pixels, Histograms& histograms) {
  const std::size_t channels = histograms.size();
  for (std::size_t i = 0; i < pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) ++histograms[c][pixels[i + c]];
  }
}

/// The streamed images to measure. All of a large data set would take as long as an epoch.
Dataset sample_of(const Dataset& dataset) {
  constexpr std::int64_t most = 4096;
  const std::int64_t images = std::min(most, dataset.count);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < images; ++i) indices.push_back(i * dataset.count / images);
  return subset(dataset, indices);
}

}  // namespace

Normalisation no_normalisation(std::int64_t channels) {
  const auto n = static_cast<std::size_t>(channels);
  return {std::vector<float>(n, 0.0F), std::vector<float>(n, 1.0F)};
}

Normalisation measure_normalisation(const Dataset& dataset) {
  check(dataset);
  const auto channels = static_cast<std::size_t>(dataset.channels);
  Histograms histogram(channels);
  std::int64_t images = dataset.count;
  if (dataset.streamed()) {
    const Dataset sample = sample_of(dataset);
    images = sample.count;
    Loader loader(sample, {.batch = 64, .shuffle = false, .threads = 0});
    loader.start(0);
    while (const std::optional<Batch> batch = loader.next()) count(batch->pixels, histogram);
  } else {
    count(dataset.pixels, histogram);
  }
  const auto samples = static_cast<double>(images * dataset.height * dataset.width);
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
