#include "nn/data/loader.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>
#include <tuple>

#include "tests/nn/data_support.h"

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

std::vector<Batch> epoch_of(const Dataset& dataset, const Normalisation& normalisation,
                            const LoaderOptions& options, std::int64_t epoch,
                            std::int64_t batch = 0) {
  Loader loader(dataset, normalisation, options);
  loader.start(epoch, batch);
  return drain(loader);
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& p, const Batch& q) {
    return p.n == q.n && p.labels == q.labels && p.x == q.x;
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
    for (const float value : batch.x) order.push_back(std::lround(value * 255));
  }
  return order;
}

TEST(Loader, AnEpochHoldsEveryImageOnceInAnOrderOfItsOwn) {
  const Dataset dataset = numbered(103);
  const Normalisation plain = no_normalisation(1);
  std::set<std::vector<std::int64_t>> orders;
  for (const std::uint64_t seed : {1, 2}) {
    for (const std::int64_t epoch : {0, 1, 2}) {
      const auto batches = epoch_of(dataset, plain, {.batch = 10, .seed = seed}, epoch);
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
  const auto batches =
      epoch_of(dataset, no_normalisation(1), {.batch = 10, .shuffle = false, .drop_last = true}, 4);
  ASSERT_EQ(batches.size(), 2U);
  const std::vector<std::int64_t> order = order_of(batches);
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

/// Pads, crops, mirrors and normalises one image step by step, in double.
std::vector<double> augment_naively(const Dataset& d, std::int64_t index, std::int64_t pad,
                                    const CropFlip& choice, const Normalisation& normalisation) {
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
      const std::int64_t column = choice.left + (choice.mirrored ? d.width - 1 - x : x);
      for (std::int64_t k = 0; k < c; ++k) {
        const auto channel = static_cast<std::size_t>(k);
        const int value =
            padded[static_cast<std::size_t>(((y + choice.top) * padded_w + column) * c + k)];
        result.push_back((value / 255.0 - static_cast<double>(normalisation.mean[channel])) /
                         static_cast<double>(normalisation.std[channel]));
      }
    }
  }
  return result;
}

TEST(Augment, EveryCropAndFlipMatchesTheNaiveOne) {
  for (const std::int64_t channels : {1, 3}) {
    const Dataset dataset = counting_dataset(1, 5, 7, channels, 1);
    const Normalisation& normalisation = channels == 1 ? grey_scale : colour;
    const PixelTable table(normalisation, channels);
    std::vector<float> out(static_cast<std::size_t>(dataset.image_bytes()));
    for (std::int64_t pad = 0; pad <= 4; ++pad) {
      for (std::int64_t place = 0; place < 2 * (2 * pad + 1) * (2 * pad + 1); ++place) {
        const CropFlip choice{place / 2 / (2 * pad + 1), place / 2 % (2 * pad + 1), place % 2 == 1};
        augment_image(dataset.image(0), 5, 7, channels, pad, choice, table, out.data());
        const auto expected = augment_naively(dataset, 0, pad, choice, normalisation);
        for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], 1e-6);
      }
    }
  }
}

TEST(Augment, DrawsEveryPlaceAndBothMirrors) {
  const Augmentation augmentation{.pad = 2, .flip = true};
  std::set<std::tuple<std::int64_t, std::int64_t, bool>> seen;
  int mirrored = 0;
  for (std::int64_t index = 0; index < 2000; ++index) {
    const CropFlip choice = draw_crop_flip(augmentation, 1, 3, index);
    seen.insert({choice.top, choice.left, choice.mirrored});
    mirrored += choice.mirrored ? 1 : 0;
  }
  EXPECT_EQ(seen.size(), 50U);
  EXPECT_NEAR(mirrored, 1000, 80);
  const CropFlip fixed = draw_crop_flip({.pad = 0, .flip = false}, 1, 3, 5);
  EXPECT_EQ(fixed.top, 0);
  EXPECT_EQ(fixed.left, 0);
  EXPECT_FALSE(fixed.mirrored);
}

TEST(Loader, BatchesMatchTheNaivePipeline) {
  const Dataset dataset = counting_dataset(23, 6, 6, 3, 23);  // the label is the index
  const Augmentation augmentation{.pad = 3, .flip = true};
  const LoaderOptions options{.batch = 8, .seed = 5, .augmentation = augmentation};
  for (const std::int64_t epoch : {0, 1}) {
    for (const Batch& batch : epoch_of(dataset, colour, options, epoch)) {
      ASSERT_EQ(std::ssize(batch.x), batch.n * dataset.image_bytes());
      for (std::int64_t i = 0; i < batch.n; ++i) {
        const std::int64_t index = batch.labels[static_cast<std::size_t>(i)];
        const auto expected =
            augment_naively(dataset, index, augmentation.pad,
                            draw_crop_flip(augmentation, options.seed, epoch, index), colour);
        const float* x = batch.x.data() + i * dataset.image_bytes();
        for (std::size_t k = 0; k < expected.size(); ++k) ASSERT_NEAR(x[k], expected[k], 1e-6);
      }
    }
  }
}

TEST(Loader, TheThreadChangesNothing) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  LoaderOptions options{.batch = 7, .seed = 9, .augmentation = Augmentation{.pad = 2}};
  options.prefetch = 0;
  const auto expected = epoch_of(dataset, colour, options, 3);
  for (const std::int64_t depth : {1, 2, 100}) {
    options.prefetch = depth;
    EXPECT_TRUE(same(epoch_of(dataset, colour, options, 3), expected)) << depth;
  }
}

TEST(Loader, ResumesAtAnyBatch) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  const LoaderOptions options{.batch = 8, .seed = 9, .augmentation = Augmentation{.pad = 2}};
  const auto whole = epoch_of(dataset, colour, options, 2);
  for (std::int64_t batch = 0; batch <= std::ssize(whole); ++batch) {
    EXPECT_TRUE(
        same(epoch_of(dataset, colour, options, 2, batch), {whole.begin() + batch, whole.end()}))
        << batch;
  }
}

TEST(Loader, CanBeRestartedInTheMiddleAndDropped) {
  const Dataset dataset = counting_dataset(50, 4, 4, 3, 5);
  const LoaderOptions options{.batch = 4, .seed = 9};
  const auto expected = epoch_of(dataset, colour, options, 1);
  Loader loader(dataset, colour, options);
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
    return [&dataset, options] { Loader(dataset, colour, options); };
  };
  expect_error<ConfigError>(make({.batch = 0}), {"batch size", "not 0"});
  expect_error<ConfigError>(make({.prefetch = -1}), {"prefetch", "-1"});
  expect_error<ConfigError>(make({.batch = 11, .drop_last = true}), {"10 images", "batch of 11"});
  expect_error<ConfigError>(make({.augmentation = Augmentation{.pad = -1}}), {"0 and 3 pixels"});
  expect_error<ConfigError>(make({.augmentation = Augmentation{.pad = 4}}), {"0 and 3 pixels"});
  expect_error<ShapeError>([&] { Loader(dataset, grey_scale, {}); }, {"1 means", "3 channels"});
  expect_error<ConfigError>([&] { Loader(dataset, {{0, 0, 0}, {1, 0, 1}}, {}); }, {"channel 1"});
  Loader loader(dataset, colour, {.batch = 4});
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
