#include "nn/data/dataset.h"

#include <cmath>
#include <set>

#include "nn/data/normalisation.h"
#include "tests/nn/data/support.h"

namespace trifold::nn {
namespace {

using testing::counting_dataset;
using testing::expect_error;

TEST(Dataset, CheckNamesWhatDoesNotFit) {
  const Dataset good = counting_dataset(6, 2, 3, 1, 3);
  EXPECT_NO_THROW(check(good));
  const auto broken = [&](auto change) {
    Dataset dataset = good;
    change(dataset);
    return [dataset] { check(dataset); };
  };
  expect_error<ShapeError>(broken([](Dataset& d) { d.count = 0; }), {"counting", "at least 1"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.pixels.pop_back(); }), {"35 pixel bytes"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.labels.pop_back(); }), {"5 labels"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.class_names.pop_back(); }), {"2 class names"});
  EXPECT_NO_THROW(broken([](Dataset& d) { d.class_names.clear(); })());
  expect_error<ShapeError>(broken([](Dataset& d) { d.labels[1] = 3; }), {"[0, 3]"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.labels[1] = -1; }), {"[-1, 2]"});
}

TEST(Dataset, SubsetCopiesTheNamedImages) {
  const Dataset all = counting_dataset(5, 2, 2, 3, 2);
  const Dataset part = subset(all, {4, 0, 4});
  check(part);
  ASSERT_EQ(part.count, 3);
  EXPECT_EQ(part.labels, (std::vector<std::int32_t>{0, 0, 0}));
  for (std::int64_t b = 0; b < all.image_bytes(); ++b) {
    EXPECT_EQ(part.image(0)[b], all.image(4)[b]);
    EXPECT_EQ(part.image(1)[b], all.image(0)[b]);
    EXPECT_EQ(part.image(2)[b], all.image(4)[b]);
  }
  expect_error<ShapeError>([&] { subset(all, {5}); }, {"no image 5"});
  expect_error<ShapeError>([&] { subset(all, {-1}); }, {"no image -1"});
}

/// Images of one pixel, whose two channels are the image's index.
Dataset indexed_dataset(const std::vector<std::int32_t>& labels, std::int64_t classes) {
  Dataset dataset = counting_dataset(std::ssize(labels), 1, 1, 2, classes);
  dataset.labels = labels;
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    dataset.pixels[static_cast<std::size_t>(2 * i)] = static_cast<std::uint8_t>(i >> 8);
    dataset.pixels[static_cast<std::size_t>(2 * i + 1)] = static_cast<std::uint8_t>(i);
  }
  return dataset;
}

std::vector<std::int64_t> indices_of(const Dataset& dataset) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    indices.push_back(dataset.image(i)[0] * 256 + dataset.image(i)[1]);
  }
  return indices;
}

TEST(SplitHeldOut, IsStratifiedDisjointCompleteAndOrdered) {
  std::vector<std::int32_t> labels;  // 500, 300, 200 images of three classes
  for (int i = 0; i < 1000; ++i) labels.push_back(i % 10 < 5 ? 0 : i % 10 < 8 ? 1 : 2);
  const Dataset all = indexed_dataset(labels, 3);
  const auto [train, held_out] = split_held_out(all, 100, 11);
  check(train);
  check(held_out);
  EXPECT_EQ(train.count, 900);
  std::vector<int> counts(3);
  for (const std::int32_t label : held_out.labels) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts, (std::vector<int>{50, 30, 20}));
  std::vector<std::int64_t> kept = indices_of(train), taken = indices_of(held_out);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
  std::set<std::int64_t> both(kept.begin(), kept.end());
  both.insert(taken.begin(), taken.end());
  EXPECT_EQ(both.size(), 1000U);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(held_out.labels[i], labels[static_cast<std::size_t>(taken[i])]);
  }
  EXPECT_EQ(indices_of(split_held_out(all, 100, 11).held_out), taken);
  EXPECT_NE(indices_of(split_held_out(all, 100, 12).held_out), taken);
}

TEST(SplitHeldOut, RoundsByLargestRemainderAndAllowsEmptyClasses) {
  // Shares of 4 of 7 images: class 0 has 5 (2.86), class 1 has 2 (1.14), class 2 has none.
  const Dataset all = indexed_dataset({0, 0, 1, 0, 1, 0, 0}, 3);
  const Dataset held_out = split_held_out(all, 4, 1).held_out;
  EXPECT_EQ(std::count(held_out.labels.begin(), held_out.labels.end(), 0), 3);
  EXPECT_EQ(std::count(held_out.labels.begin(), held_out.labels.end(), 1), 1);
}

TEST(SplitHeldOut, RefusesSplitsThatLeaveNothing) {
  const Dataset all = counting_dataset(10, 1, 1, 1, 2);
  for (const std::int64_t count : {-1, 0, 10, 11}) {
    expect_error<ConfigError>([&] { split_held_out(all, count, 1); },
                              {"between 1 and 9", std::to_string(count)});
  }
}

TEST(Normalisation, MatchesATwoPassComputation) {
  const Dataset dataset = counting_dataset(9, 5, 7, 3, 3);
  const Normalisation measured = measure_normalisation(dataset);
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> values;
    for (std::size_t i = c; i < dataset.pixels.size(); i += 3) {
      values.push_back(dataset.pixels[i] / 255.0);
    }
    double mean = 0, variance = 0;
    for (const double value : values) mean += value / static_cast<double>(values.size());
    for (const double value : values) {
      variance += (value - mean) * (value - mean) / static_cast<double>(values.size());
    }
    EXPECT_NEAR(measured.mean[c], mean, 1e-7);
    EXPECT_NEAR(measured.std[c], std::sqrt(variance), 1e-7);
  }
}

TEST(Normalisation, GivesAConstantChannelTheDeviationOne) {
  Dataset dataset = counting_dataset(2, 2, 2, 1, 2);
  std::fill(dataset.pixels.begin(), dataset.pixels.end(), std::uint8_t{51});
  EXPECT_EQ(measure_normalisation(dataset), (Normalisation{{0.2F}, {1.0F}}));
}

}  // namespace
}  // namespace trifold::nn
