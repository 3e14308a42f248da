#include "nn/data/device_loader.h"

#include <cstring>

#include "kernels/runtime/memory.h"
#include "tests/nn/data/support.h"

#if defined(SIMT_EMULATED)
#include "kernels/simt/emulator.h"
#endif

namespace trifold::nn {
namespace {

using testing::counting_dataset;
using testing::expect_error;

const Normalisation colour{{0.5F, 0.4F, 0.3F}, {0.2F, 0.25F, 0.3F}};

std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (kernels::device_count(DeviceKind::cuda) > 0) all.push_back({DeviceKind::cuda, 0});
  return all;
}

struct HostBatch {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
  bool operator==(const HostBatch&) const = default;
};

/// The rest of an epoch, copied to the host.
std::vector<HostBatch> drain(DeviceLoader& loader) {
  std::vector<HostBatch> batches;
  while (const std::optional<DeviceBatch> batch = loader.next()) {
    const engine::Tensor x = batch->x.to(Device{}), labels = batch->labels.to(Device{});
    EXPECT_EQ(batch->n, x.shape()[0]);
    batches.push_back({{x.values().begin(), x.values().end()},
                       {labels.int_values().begin(), labels.int_values().end()}});
  }
  return batches;
}

/// Pads, crops, mirrors and normalises one image step by step, in double.
std::vector<double> augment_naively(const Dataset& d, std::int64_t index, std::int64_t pad,
                                    const kernels::Crop& crop, const Normalisation& normalisation) {
  const std::int64_t padded_h = d.height + 2 * pad, padded_w = d.width + 2 * pad, c = d.channels;
  std::vector<int> padded(static_cast<std::size_t>(padded_h * padded_w * c), 0);
  for (std::int64_t y = 0; y < d.height; ++y) {
    for (std::int64_t x = 0; x < d.width; ++x) {
      for (std::int64_t k = 0; k < c; ++k) {
        padded[static_cast<std::size_t>(((y + pad) * padded_w + x + pad) * c + k)] =
            d.image(index)[(y * d.width + x) * c + k];
      }
    }
  }
  std::vector<double> result;
  for (std::int64_t y = 0; y < d.height; ++y) {
    for (std::int64_t x = 0; x < d.width; ++x) {
      const std::int64_t column = crop.right + pad + (crop.mirrored != 0 ? d.width - 1 - x : x);
      for (std::int64_t k = 0; k < c; ++k) {
        const auto channel = static_cast<std::size_t>(k);
        const int value =
            padded[static_cast<std::size_t>(((y + pad + crop.down) * padded_w + column) * c + k)];
        result.push_back((value / 255.0 - static_cast<double>(normalisation.mean[channel])) /
                         static_cast<double>(normalisation.std[channel]));
      }
    }
  }
  return result;
}

const Dataset dataset = counting_dataset(23, 6, 5, 3, 23);  // the label is the index
const LoaderOptions options{.batch = 8, .seed = 5, .augmentation = Augmentation{3, true}};

TEST(DeviceLoader, BatchesMatchTheNaivePipelineAndHaveTheSameBitsOnEveryDevice) {
  std::vector<HostBatch> first;
  for (const Device device : devices()) {
    DeviceLoader loader(dataset, colour, options, {.device = device});
    for (const std::int64_t epoch : {0, 1}) {
      loader.start(epoch);
      const std::vector<HostBatch> batches = drain(loader);
      ASSERT_EQ(batches.size(), 3U);
      for (const HostBatch& batch : batches) {
        const float* x = batch.x.data();
        for (const std::int32_t index : batch.labels) {
          const auto expected =
              augment_naively(dataset, index, 3,
                              draw_crop(*options.augmentation, options.seed, epoch, index), colour);
          for (const double value : expected) ASSERT_NEAR(*x++, value, 1e-6);
        }
        EXPECT_EQ(x, batch.x.data() + batch.x.size());
      }
      if (epoch == 1 && first.empty()) first = batches;
      EXPECT_TRUE(epoch == 0 || batches == first);
    }
  }
}

// What a loader of that normalisation alone gives, batch by batch.
TEST(DeviceLoader, GivesTheSameImagesByAnotherNormalisation) {
  const Normalisation other{{0.1F, 0.2F, 0.6F}, {0.5F, 0.3F, 0.9F}};
  for (const Device device : devices()) {
    const kernels::Exec ex{.device = device};
    DeviceLoader both(dataset, colour, options, ex), alone(dataset, other, options, ex);
    both.also_normalise(other);
    both.start(1);
    alone.start(1);
    const std::vector<HostBatch> expected = drain(alone);
    std::vector<HostBatch> found;
    while (const std::optional<DeviceBatch> batch = both.next()) {
      const engine::Tensor x = batch->other.to(Device{}), labels = batch->labels.to(Device{});
      found.push_back({{x.values().begin(), x.values().end()},
                       {labels.int_values().begin(), labels.int_values().end()}});
    }
    EXPECT_TRUE(found == expected);

    DeviceLoader plain(dataset, colour, options, ex);
    plain.start(1);
    both.start(1);
    EXPECT_TRUE(drain(both) == drain(plain));
    plain.start(1);
    EXPECT_FALSE(plain.next()->other.defined());
  }
}

TEST(DeviceLoader, FullBatchesLieInTheSameMemory) {
  for (const Device device : devices()) {
    LoaderOptions full = options;
    full.drop_last = true;
    DeviceLoader loader(dataset, colour, full, {.device = device});
    loader.also_normalise({{0.1F, 0.2F, 0.6F}, {0.5F, 0.3F, 0.9F}});
    std::vector<const float*> places, other_places;
    for (const std::int64_t epoch : {0, 1}) {
      loader.start(epoch);
      while (const std::optional<DeviceBatch> batch = loader.next()) {
        places.push_back(batch->x.data());
        other_places.push_back(batch->other.data());
      }
    }
    EXPECT_EQ(places, std::vector<const float*>(4, places.front()));
    EXPECT_EQ(other_places, std::vector<const float*>(4, other_places.front()));
  }
}

TEST(DeviceLoader, CanBeRestartedInTheMiddle) {
  for (const Device device : devices()) {
    DeviceLoader loader(dataset, colour, options, {.device = device});
    EXPECT_FALSE(loader.next());
    loader.start(1);
    const std::vector<HostBatch> expected = drain(loader);
    for (int taken = 0; taken < 3; ++taken) {
      loader.start(0);
      for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader.next());
      loader.start(1, 1);
      EXPECT_TRUE(drain(loader) == std::vector<HostBatch>(expected.begin() + 1, expected.end()));
      EXPECT_FALSE(loader.next());
    }
  }
}

#if defined(SIMT_EMULATED)
/// Copies and kernels done as late as their order allows, so that one that is missing shows.
TEST(DeviceLoader, WaitsForWhatItNeeds) {
  const kernels::Exec ex{.device = {DeviceKind::cuda, 0}};
  const auto epoch = [&] {
    DeviceLoader loader(dataset, colour, options, ex);
    loader.start(2);
    return drain(loader);
  };
  const std::vector<HostBatch> expected = epoch();
  simt::settings().lazy_streams = true;
  const std::vector<HostBatch> lazy = epoch();
  simt::settings() = simt::Settings{};
  EXPECT_TRUE(lazy == expected);
}
#endif

TEST(DeviceLoader, RefusesANormalisationThatDoesNotFit) {
  expect_error<ShapeError>(
      [] {
        DeviceLoader(dataset, {{0.3F}, {0.6F}}, options, {});
      },
      {"1 means", "3 channels"});
  expect_error<ShapeError>(
      [] {
        DeviceLoader(dataset, colour, options, {}).also_normalise({{0.3F}, {0.6F}});
      },
      {"1 means", "3 channels"});
}

}  // namespace
}  // namespace trifold::nn
