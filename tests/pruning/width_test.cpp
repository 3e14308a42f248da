#include "pruning/width.h"

#include <gtest/gtest.h>

#include <limits>

#include "kernels/runtime/error.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::random_network;

std::vector<std::int64_t> counts(const Units& all, const std::vector<bool>* kept = nullptr) {
  std::vector<std::int64_t> result(all.groups.size(), 0);
  for (std::size_t i = 0; i < all.units.size(); ++i) {
    if (kept == nullptr || (*kept)[i]) ++result[static_cast<std::size_t>(all.units[i].group)];
  }
  return result;
}

std::vector<nn::Graph> graphs() {
  return {nn::cifar_resnet(14, nn::Shortcut::A, 3, 10),
          nn::cifar_resnet(14, nn::Shortcut::B, 3, 10),
          nn::densenet({.layers_per_block = 3, .growth = 4, .stem = 8}, 3, 10)};
}

TEST(Units, GroupsOfAResNet) {
  const nn::Graph g = nn::cifar_resnet(8, nn::Shortcut::A, 3, 10);
  const Units inner = find_units(g, WidthMode::inner);
  EXPECT_EQ(inner.groups,
            (std::vector<std::string>{"layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1"}));
  EXPECT_EQ(counts(inner), (std::vector<std::int64_t>{16, 32, 64}));
  const Units stream = find_units(g, WidthMode::stream);
  EXPECT_EQ(stream.groups, (std::vector<std::string>{"conv1 stream", "layer1.0.conv1",
                                                     "layer2.0.conv1", "layer2.0.conv2 stream",
                                                     "layer3.0.conv1", "layer3.0.conv2 stream"}));
  EXPECT_EQ(counts(stream), (std::vector<std::int64_t>{16, 16, 32, 32, 64, 64}));
}

TEST(Units, BottlenecksHaveTwoInnerGroups) {
  const Units inner = find_units(nn::imagenet_resnet(50, 3, 10), WidthMode::inner);
  EXPECT_EQ(inner.groups.size(), 32u);
  EXPECT_EQ(inner.groups[1], "layer1.0.conv2");
}

TEST(Units, ADenseNetSelectsInputs) {
  const nn::Graph g = nn::densenet({.layers_per_block = 1, .growth = 4, .stem = 8}, 3, 10);
  const Units inner = find_units(g, WidthMode::inner);
  EXPECT_EQ(inner.groups, (std::vector<std::string>{"dense1.0.bn1", "trans1.bn1", "dense2.0.bn1",
                                                    "trans2.bn1", "dense3.0.bn1", "bn"}));
  EXPECT_EQ(counts(inner), (std::vector<std::int64_t>{8, 12, 12, 16, 16, 20}));
  const Units stream = find_units(g, WidthMode::stream);
  EXPECT_EQ(stream.groups,
            (std::vector<std::string>{"conv1", "dense1.0.conv1", "trans1.conv1", "dense2.0.conv1",
                                      "trans2.conv1", "dense3.0.conv1"}));
}

TEST(Units, StayTheSameKindInACutNetwork) {
  const nn::Graph g = nn::densenet({.layers_per_block = 1, .growth = 4, .stem = 8}, 3, 10);
  const nn::Network network = random_network(g, 1);
  const UnitSelection half = select_units(network, WidthMode::inner, 0.5);
  const Cut smaller = cut(network, {{}, half});
  const Units left = find_units(smaller.network.graph(), WidthMode::inner);
  EXPECT_EQ(std::ssize(left.units), std::ranges::count(half.kept, true));
}

TEST(Units, GroupsKeepTheirNamesInACutNetwork) {
  // So that the patterns and floors of a run name the same groups after a cut as before it.
  for (const nn::Graph& g : graphs()) {
    for (const WidthMode mode : {WidthMode::inner, WidthMode::stream}) {
      const nn::Network network = random_network(g, 1);
      const Units before = find_units(g, mode);
      const Cut smaller = cut(network, {{}, select_units(network, mode, 0.5)});
      EXPECT_EQ(find_units(smaller.network.graph(), mode).groups, before.groups);
    }
  }
}

TEST(Units, ScoreIsTheMeanOverTheBatchNorms) {
  nn::Network network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10));
  network.parameter("bn1.weight").var.value.values()[3] = -2.0f;
  network.parameter("layer1.0.bn2.weight").var.value.values()[3] = 1.0f;
  network.parameter("layer1.0.bn1.weight").var.value.values()[0] = -0.25f;
  const std::vector<double> scores = unit_scores(network, WidthMode::stream);
  EXPECT_DOUBLE_EQ(scores[3], 1.5);
  EXPECT_DOUBLE_EQ(scores[16], 0.25);
  EXPECT_DOUBLE_EQ(scores[17], 0.0);
}

TEST(SelectUnits, IsOneThresholdWhereNoFloorBinds) {
  for (const nn::Graph& g : graphs()) {
    const nn::Network network = random_network(g, 2);
    const std::vector<double> scores = unit_scores(network, WidthMode::stream);
    const UnitSelection s = select_units(network, WidthMode::stream, 0.7, {.floor_fraction = 0.0});
    const Units all = find_units(g, WidthMode::stream);
    const std::vector<std::int64_t> kept = counts(all, &s.kept);
    double worst_kept = 1e9, best_removed = 0.0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const bool floor_binds = kept[static_cast<std::size_t>(all.units[i].group)] == 1;
      if (s.kept[i] && !floor_binds) worst_kept = std::min(worst_kept, scores[i]);
      if (!s.kept[i]) best_removed = std::max(best_removed, scores[i]);
    }
    EXPECT_GE(worst_kept, best_removed);
    EXPECT_NEAR(s.kept_fraction(), 0.7, 0.5 / static_cast<double>(scores.size()) + 1e-12);
  }
}

TEST(SelectUnits, SmallerWidthsKeepSubsets) {
  for (const nn::Graph& g : graphs()) {
    for (const WidthMode mode : {WidthMode::inner, WidthMode::stream}) {
      const nn::Network network = random_network(g, 3);
      UnitSelection last = select_units(network, mode, 1.0);
      EXPECT_EQ(last.kept_fraction(), 1.0);
      for (double w = 0.95; w > 0.0; w -= 0.05) {
        const UnitSelection s = select_units(network, mode, w);
        for (std::size_t i = 0; i < s.kept.size(); ++i) EXPECT_LE(s.kept[i], last.kept[i]);
        EXPECT_EQ(s.kept, select_units(network, mode, w).kept);
        last = s;
      }
      EXPECT_NEAR(last.kept_fraction(), min_width(g, mode), 1e-12);
    }
  }
}

TEST(SelectUnits, HonoursFloorsAndRounding) {
  for (const nn::Graph& g : graphs()) {
    for (const WidthMode mode : {WidthMode::inner, WidthMode::stream}) {
      const nn::Network network = random_network(g, 4);
      const Units all = find_units(g, mode);
      for (const double w : {0.05, 0.3, 0.5, 0.8}) {
        const WidthLimits limits{.floor_channels = 3, .floor_fraction = 0.25, .round_to = 4};
        const UnitSelection s = select_units(network, mode, w, limits);
        const auto size = counts(all), kept = counts(all, &s.kept);
        for (std::size_t k = 0; k < size.size(); ++k) {
          EXPECT_GE(kept[k], std::min<std::int64_t>(3, size[k]));
          EXPECT_GE(4 * kept[k], size[k]);
          EXPECT_TRUE(kept[k] % 4 == 0 || kept[k] == size[k]);
        }
        EXPECT_GE(s.kept_fraction(), w - 1e-2);
        // Within a group the best stay.
        const std::vector<double> scores = unit_scores(network, mode);
        for (std::size_t i = 1; i < scores.size(); ++i) {
          if (all.units[i].group != all.units[i - 1].group) continue;
          const bool better = scores[i] > scores[i - 1];
          EXPECT_GE(s.kept[better ? i : i - 1], s.kept[better ? i - 1 : i]);
        }
      }
    }
  }
}

TEST(SelectUnits, EqualScoresKeepTheLowerIndex) {
  const nn::Network network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10));
  const UnitSelection s = select_units(network, WidthMode::inner, 0.5, {.floor_fraction = 0.25});
  const std::vector<std::int64_t> kept =
      counts(find_units(network.graph(), WidthMode::inner), &s.kept);
  EXPECT_EQ(kept, (std::vector<std::int64_t>{16, 24, 16}));
  EXPECT_TRUE(s.kept[16 + 23]);
  EXPECT_FALSE(s.kept[16 + 24]);
}

TEST(SelectUnits, PrunesOnlyTheNamedGroups) {
  const nn::Graph g = nn::cifar_resnet(14, nn::Shortcut::A, 3, 10);
  const nn::Network network = random_network(g, 5);
  WidthLimits limits{.include = {"layer?.*"}, .exclude = {"layer2.*", "*stream"}};
  const UnitSelection s = select_units(network, WidthMode::stream, 0.1, limits);
  const Units all = find_units(g, WidthMode::stream);
  const auto size = counts(all), kept = counts(all, &s.kept);
  for (std::size_t k = 0; k < size.size(); ++k) {
    const std::string& name = all.groups[k];
    const bool pruned = (name.starts_with("layer1") || name.starts_with("layer3")) &&
                        name.find("stream") == std::string::npos;
    EXPECT_EQ(kept[k] < size[k], pruned) << name;
  }
}

TEST(SelectUnits, RefusesWhatMakesNoSense) {
  nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 6);
  const auto select = [&](double w, const WidthLimits& limits) {
    return select_units(network, WidthMode::inner, w, limits);
  };
  EXPECT_THROW(select(0.0, {}), ConfigError);
  EXPECT_THROW(select(1.5, {}), ConfigError);
  EXPECT_THROW(select(std::numeric_limits<double>::quiet_NaN(), {}), ConfigError);
  EXPECT_THROW(select(0.5, {.floor_channels = 0}), ConfigError);
  EXPECT_THROW(select(0.5, {.floor_fraction = 1.5}), ConfigError);
  EXPECT_THROW(select(0.5, {.round_to = 0}), ConfigError);
  network.parameter("layer1.0.bn1.weight").var.value.values()[0] =
      std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(select(0.5, {}), DivergedError);
}

TEST(SelectUnits, AnEmptySelectionKeepsAll) { EXPECT_EQ(UnitSelection{}.kept_fraction(), 1.0); }

TEST(WidthGroups, RanksTakeTheSameShareOfEveryGroup) {
  Units units;
  units.groups = {"a", "b"};
  for (std::int64_t i = 0; i < 8; ++i) units.units.push_back({0, 0, -1, i});
  for (std::int64_t i = 0; i < 4; ++i) units.units.push_back({1, 0, -1, i});
  // Everything in b scores below everything in a.
  const std::vector<double> scores = {20, 27, 21, 26, 22, 25, 23, 24, 1, 4, 2, 2};
  const std::vector<double> ranks = ranks_in_groups(units, scores);
  const std::vector<double> expected = {1.0 / 8, 8.0 / 8, 2.0 / 8, 7.0 / 8, 3.0 / 8, 6.0 / 8,
                                        4.0 / 8, 5.0 / 8, 1.0 / 4, 4.0 / 4, 3.0 / 4, 2.0 / 4};
  EXPECT_EQ(ranks, expected);
  const WidthLimits limits{.floor_fraction = 0};
  const auto kept_of_b = [&](std::span<const double> by) {
    const UnitSelection selection = select_units(units, by, 0.5, limits);
    return std::count(selection.kept.begin() + 8, selection.kept.end(), true);
  };
  EXPECT_EQ(kept_of_b(scores), 1) << "the floor alone";
  EXPECT_EQ(kept_of_b(ranks), 2);
}

}  // namespace
}  // namespace trifold::pruning
