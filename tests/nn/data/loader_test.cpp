#include "nn/data/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <set>
#include <thread>
#include <tuple>

#include "tests/nn/data/support.h"

namespace trifold::nn {
namespace {

using testing::counting_dataset;
using testing::expect_error;

const Normalisation grey_scale{{0.3F}, {0.6F}};
const Normalisation colour{{0.5F, 0.4F, 0.3F}, {0.2F, 0.25F, 0.3F}};

std::vector<Batch> drain(Loader& loader) {
  std::vector<Batch> batches;
  while (std::optional<Batch> batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

std::vector<Batch> epoch_of(const Dataset& dataset, const LoaderOptions& options,
                            std::int64_t epoch, std::int64_t batch = 0) {
  Loader loader(dataset, options);
  loader.start(epoch, batch);
  return drain(loader);
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& p, const Batch& q) {
    const auto same_crop = [](const kernels::Crop& c, const kernels::Crop& d) {
      return c.down == d.down && c.right == d.right && c.mirrored == d.mirrored;
    };
    return p.n == q.n && p.labels == q.labels && p.pixels == q.pixels &&
           std::equal(p.crops.begin(), p.crops.end(), q.crops.begin(), q.crops.end(), same_crop);
  });
}

/// Every image of `count`, one pixel each, whose value is its index; labels follow it.
Dataset numbered(std::int64_t count) {
  Dataset dataset = counting_dataset(count, 1, 1, 1, 10);
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  }
  return dataset;
}

std::vector<std::int64_t> order_of(const std::vector<Batch>& batches) {
  std::vector<std::int64_t> order;
  for (const Batch& batch : batches) {
    order.insert(order.end(), batch.pixels.begin(), batch.pixels.end());
  }
  return order;
}

TEST(Loader, AnEpochHoldsEveryImageOnceInAnOrderOfItsOwn) {
  const Dataset dataset = numbered(103);
  std::set<std::vector<std::int64_t>> orders;
  for (const std::uint64_t seed : {1, 2}) {
    for (const std::int64_t epoch : {0, 1, 2}) {
      const auto batches = epoch_of(dataset, {.batch = 10, .seed = seed}, epoch);
      ASSERT_EQ(batches.size(), 11U);
      EXPECT_EQ(batches.back().n, 3);
      const std::vector<std::int64_t> order = order_of(batches);
      EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 103U);
      EXPECT_EQ(order.size(), 103U);
      std::size_t at = 0;
      for (const Batch& batch : batches) {
        for (const std::int32_t label : batch.labels) EXPECT_EQ(label, order[at++] % 10);
      }
      orders.insert(order);
    }
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(Loader, KeepsTheOrderWithoutShuffleAndDropsTheRestOnRequest) {
  const Dataset dataset = numbered(25);
  const auto batches = epoch_of(dataset, {.batch = 10, .shuffle = false, .drop_last = true}, 4);
  ASSERT_EQ(batches.size(), 2U);
  const std::vector<std::int64_t> order = order_of(batches);
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Augment, DrawsEveryPlaceAndBothMirrors) {
  const Augmentation augmentation{.pad = 2, .flip = true};
  std::set<std::tuple<std::int32_t, std::int32_t, std::int32_t>> seen;
  int mirrored = 0;
  for (std::int64_t index = 0; index < 2000; ++index) {
    const kernels::Crop crop = draw_crop(augmentation, 1, 3, index);
    EXPECT_LE(std::max(std::abs(crop.down), std::abs(crop.right)), 2);
    seen.insert({crop.down, crop.right, crop.mirrored});
    mirrored += crop.mirrored;
  }
  EXPECT_EQ(seen.size(), 50U);
  EXPECT_NEAR(mirrored, 1000, 80);
  const kernels::Crop fixed = draw_crop({.pad = 0, .flip = false}, 1, 3, 5);
  EXPECT_EQ(fixed.down, 0);
  EXPECT_EQ(fixed.right, 0);
  EXPECT_EQ(fixed.mirrored, 0);
}

TEST(Augment, TheTableNormalisesEveryByte) {
  const std::vector<float> table = pixel_table(colour, 3);
  ASSERT_EQ(table.size(), 3 * 256U);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::size_t c = i / 256;
    const double value = static_cast<double>(i % 256) / 255.0;
    EXPECT_NEAR(table[i], (value - double{colour.mean[c]}) / double{colour.std[c]}, 1e-6);
  }
  expect_error<ShapeError>([&] { pixel_table(grey_scale, 3); }, {"1 means", "3 channels"});
  expect_error<ConfigError>([&] { pixel_table({{0, 0, 0}, {1, 0, 1}}, 3); }, {"channel 1"});
}

TEST(Loader, BatchesHoldTheImagesWithTheirCrops) {
  const Dataset dataset = counting_dataset(23, 6, 6, 3, 23);  // the label is the index
  const Augmentation augmentation{.pad = 3, .flip = true};
  const LoaderOptions options{.batch = 8, .seed = 5, .augmentation = augmentation};
  for (const std::int64_t epoch : {0, 1}) {
    for (const Batch& batch : epoch_of(dataset, options, epoch)) {
      ASSERT_EQ(std::ssize(batch.pixels), batch.n * dataset.image_bytes());
      ASSERT_EQ(std::ssize(batch.crops), batch.n);
      for (std::int64_t i = 0; i < batch.n; ++i) {
        const std::int64_t index = batch.labels[static_cast<std::size_t>(i)];
        const std::uint8_t* const image = dataset.image(index);
        EXPECT_TRUE(std::equal(image, image + dataset.image_bytes(),
                               batch.pixels.data() + i * dataset.image_bytes()));
        const kernels::Crop expected = draw_crop(augmentation, options.seed, epoch, index);
        const kernels::Crop& crop = batch.crops[static_cast<std::size_t>(i)];
        EXPECT_EQ(crop.down, expected.down);
        EXPECT_EQ(crop.right, expected.right);
        EXPECT_EQ(crop.mirrored, expected.mirrored);
      }
    }
  }
}

TEST(Loader, TheThreadChangesNothing) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  LoaderOptions options{.batch = 7, .seed = 9, .augmentation = Augmentation{.pad = 2}};
  options.prefetch = 0;
  const auto expected = epoch_of(dataset, options, 3);
  for (const std::int64_t depth : {1, 2, 100}) {
    options.prefetch = depth;
    EXPECT_TRUE(same(epoch_of(dataset, options, 3), expected)) << depth;
  }
}

TEST(Loader, ResumesAtAnyBatch) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  const LoaderOptions options{.batch = 8, .seed = 9, .augmentation = Augmentation{.pad = 2}};
  const auto whole = epoch_of(dataset, options, 2);
  for (std::int64_t batch = 0; batch <= std::ssize(whole); ++batch) {
    EXPECT_TRUE(same(epoch_of(dataset, options, 2, batch), {whole.begin() + batch, whole.end()}))
        << batch;
  }
}

TEST(Loader, CanBeRestartedInTheMiddleAndDropped) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  const LoaderOptions options{.batch = 4, .seed = 9};
  const auto expected = epoch_of(dataset, options, 1);
  Loader loader(dataset, options);
  EXPECT_FALSE(loader.next());
  for (int round = 0; round < 20; ++round) {
    loader.start(0);
    for (int i = 0; i < round % 5; ++i) EXPECT_TRUE(loader.next());
    loader.start(1);
    EXPECT_TRUE(same(drain(loader), expected));
    EXPECT_FALSE(loader.next());
  }
  loader.start(2);
}

TEST(Loader, RefusesUnusableOptions) {
  const Dataset dataset = counting_dataset(10, 4, 4, 3, 5);
  const auto make = [&](const LoaderOptions& options) {
    return [&dataset, options] { Loader(dataset, options); };
  };
  expect_error<ConfigError>(make({.batch = 0}), {"batch size", "not 0"});
  expect_error<ConfigError>(make({.prefetch = -1}), {"prefetch", "-1"});
  expect_error<ConfigError>(make({.batch = 11, .drop_last = true}), {"10 images", "batch of 11"});
  expect_error<ConfigError>(make({.augmentation = Augmentation{.pad = -1}}), {"0 and 3 pixels"});
  expect_error<ConfigError>(make({.augmentation = Augmentation{.pad = 4}}), {"0 and 3 pixels"});
  Loader loader(dataset, {.batch = 4});
  EXPECT_EQ(loader.batches_per_epoch(), 3);
  expect_error<ShapeError>([&] { loader.start(-1); }, {"epoch -1"});
  expect_error<ShapeError>([&] { loader.start(0, 4); }, {"batch 4", "has 3"});
  expect_error<ShapeError>([&] { loader.start(0, -1); }, {"batch -1"});
}

TEST(Prefetcher, DeliversInOrderThenEnds) {
  int made = 0;
  Prefetcher<int> prefetcher([&] { return made < 100 ? std::optional(made++) : std::nullopt; }, 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(prefetcher.pop(), i);
  EXPECT_EQ(prefetcher.pop(), std::nullopt);
  EXPECT_EQ(prefetcher.pop(), std::nullopt);
}

TEST(Prefetcher, RethrowsInTheConsumerAfterTheItemsBefore) {
  int made = 0;
  Prefetcher<int> prefetcher(
      [&] {
        if (made == 2) throw FileError("item 2 is damaged");
        return std::optional(made++);
      },
      5);
  EXPECT_EQ(prefetcher.pop(), 0);
  EXPECT_EQ(prefetcher.pop(), 1);
  expect_error<FileError>([&] { prefetcher.pop(); }, {"item 2 is damaged"});
  expect_error<FileError>([&] { prefetcher.pop(); }, {"item 2 is damaged"});
}

TEST(Prefetcher, KeepsToItsDepthAndStopsWhenDropped) {
  std::atomic<int> made = 0;
  {
    Prefetcher<int> prefetcher([&] { return std::optional(made++); }, 3);
    while (made < 4) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(made, 4);  // three waiting, one in hand
    EXPECT_EQ(prefetcher.pop(), 0);
  }
  EXPECT_LE(made, 5);
}

}  // namespace
}  // namespace trifold::nn
