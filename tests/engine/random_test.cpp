#include "engine/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

// The known answers that Random123 publishes for philox4x32-10 (its file kat_vectors).
TEST(Philox, GivesTheKnownAnswers) {
  const Philox philox;
  const std::uint32_t ones = 0xFFFFFFFF;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (Philox::Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (Philox::Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Philox::Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, IsTheCounterSequenceOfItsName) {
  Random random(0x299f31d0a4093822, 0x03707344, 0x13198a2e, 0x85a308d3);
  const Philox::Key key{0xa4093822, 0x299f31d0};
  for (std::uint32_t block = 0; block < 3; ++block) {
    for (const std::uint32_t word : Philox{}({block, 0x85a308d3, 0x13198a2e, 0x03707344}, key)) {
      EXPECT_EQ(random.next32(), word);
    }
  }
}

TEST(Random, GivesDifferentSequencesToDifferentNames) {
  std::set<std::uint64_t> firsts;
  for (std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32}) {
    for (std::uint32_t stream = 0; stream < 4; ++stream) {
      for (std::uint32_t a = 0; a < 4; ++a) {
        for (std::uint32_t b = 0; b < 4; ++b) firsts.insert(Random(seed, stream, a, b).next64());
      }
    }
  }
  EXPECT_EQ(firsts.size(), 3U * 4 * 4 * 4);
}

TEST(Random, DrawsIntegersUniformly) {
  Random random(7);
  constexpr int draws = 70000;
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[random.uniform_int(7)];
  ASSERT_EQ(counts.size(), 7U);
  EXPECT_EQ(counts.begin()->first, 0);
  EXPECT_EQ(counts.rbegin()->first, 6);
  double chi_squared = 0;
  for (const auto& [value, count] : counts) chi_squared += std::pow(count - 1e4, 2) / 1e4;
  EXPECT_LT(chi_squared, 22.5);  // 6 degrees of freedom, p = 0.001
}

TEST(Random, DrawsIntegersOfAnyBoundWithoutBias) {
  Random random(8);
  EXPECT_EQ(random.uniform_int(1), 0);
  // 2^64 is two and two thirds times this bound: a bare remainder would hit the lower two thirds
  // of the range three times for every two hits of the rest, and the mean would be 0.4583.
  const std::int64_t bound = 3LL << 61;
  double mean = 0;
  constexpr int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const std::int64_t value = random.uniform_int(bound);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, bound);
    mean += static_cast<double>(value) / static_cast<double>(bound) / draws;
  }
  EXPECT_NEAR(mean, 0.5, 0.004);
  EXPECT_THROW(random.uniform_int(0), ShapeError);
}

TEST(Random, DrawsUniformAndNormalMoments) {
  Random random(9);
  constexpr int draws = 200000;
  double uniform_mean = 0, mean = 0, square = 0, fourth = 0;
  for (int i = 0; i < draws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    uniform_mean += u / draws;
    const double z = random.normal();
    mean += z / draws;
    square += z * z / draws;
    fourth += z * z * z * z / draws;
  }
  EXPECT_NEAR(uniform_mean, 0.5, 0.003);
  EXPECT_NEAR(mean, 0, 0.01);
  EXPECT_NEAR(square, 1, 0.015);
  EXPECT_NEAR(fourth, 3, 0.12);
}

TEST(Random, ACopyContinuesAtTheSamePlace) {
  Random random(3, 1);
  random.next32();
  random.normal();
  Random copy = random;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(random.normal(), copy.normal());
}

TEST(Permutation, HoldsEveryIndexOnceAndAllOrdersOccurEqually) {
  std::map<std::vector<std::int64_t>, int> orders;
  constexpr std::uint32_t draws = 24000;
  for (std::uint32_t i = 0; i < draws; ++i)
    ++orders[permutation(4, Random(5, random_streams::shuffle, i))];
  ASSERT_EQ(orders.size(), 24U);
  double chi_squared = 0;
  for (auto& [order, count] : orders) {
    EXPECT_TRUE(std::is_permutation(order.begin(), order.end(), std::vector{0, 1, 2, 3}.begin()));
    chi_squared += std::pow(count - 1e3, 2) / 1e3;
  }
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom, p = 0.001
  EXPECT_TRUE(permutation(0, Random(1)).empty());
  EXPECT_THROW(permutation(-1, Random(1)), ShapeError);
}

}  // namespace
}  // namespace trifold::engine
