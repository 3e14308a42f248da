#include "kernels/collective.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

namespace trifold::kernels {
namespace {

// Terms of many magnitudes, so that another order gives other bits.
template <class T>
std::vector<T> terms(int rank, std::size_t count) {
  std::vector<T> x;
  for (std::size_t i = 0; i < count; ++i) {
    const auto mixed = (i + 1) * 2654435761u * static_cast<std::size_t>(rank + 3) % 65521;
    x.push_back(static_cast<T>(
        std::ldexp(static_cast<double>(mixed) - 32000.3, static_cast<int>(mixed % 23))));
  }
  return x;
}

// Every rank on a thread of its own; the sums that they got.
template <class T>
std::vector<std::vector<T>> sums(int ranks, std::size_t count) {
  const std::vector<std::vector<int>> links = local_links(ranks);
  std::vector<std::vector<T>> results(links.size());
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto own = static_cast<std::size_t>(rank);
      const Collective group(rank, links[own]);
      results[own] = terms<T>(rank, count);
      group.sum(std::span<T>(results[own]));
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

template <class T>
void expect_tree(std::size_t count) {
  std::vector<std::vector<T>> x;
  for (int rank = 0; rank < 4; ++rank) x.push_back(terms<T>(rank, count));
  const auto one = sums<T>(1, count), two = sums<T>(2, count), four = sums<T>(4, count);
  std::size_t others = 0;
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(one[0][i], x[0][i]);
    const T left = x[0][i] + x[1][i], right = x[2][i] + x[3][i], all = left + right;
    for (const auto& result : two) EXPECT_EQ(result[i], left);
    for (const auto& result : four) EXPECT_EQ(result[i], all);
    others += all != ((x[0][i] + x[1][i]) + x[2][i]) + x[3][i] ? 1 : 0;
  }
  if (count == 1) return;
  EXPECT_GT(others, 0u) << "no sum depends on its order";
}

TEST(Collective, SumsByTheTreeOverTheRanks) {
  expect_tree<float>(1);
  expect_tree<float>(997);
  expect_tree<double>(997);
}

TEST(Collective, SumsMoreThanASocketHolds) { expect_tree<float>(std::size_t{1} << 20); }

TEST(Collective, SumsNothing) { EXPECT_TRUE(sums<float>(4, 0)[3].empty()); }

TEST(Collective, KnowsWhetherAllSayTheSame) {
  const auto said = [](const std::vector<std::uint32_t>& numbers) {
    const std::vector<std::vector<int>> links = local_links(static_cast<int>(numbers.size()));
    std::vector<char> equal(numbers.size());
    std::vector<std::thread> threads;
    for (std::size_t rank = 0; rank < numbers.size(); ++rank) {
      threads.emplace_back([&, rank] {
        equal[rank] = Collective(static_cast<int>(rank), links[rank]).all_equal(numbers[rank]);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return equal;
  };
  constexpr std::uint32_t most = 0xffffffffu;
  EXPECT_EQ(said({7}), (std::vector<char>{1}));
  EXPECT_EQ(said({most, most, most, most}), (std::vector<char>{1, 1, 1, 1}));
  // Also where one is the mean of all, and where they differ by one.
  EXPECT_EQ(said({5, 3, 7, 5}), (std::vector<char>{0, 0, 0, 0}));
  EXPECT_EQ(said({most, most - 1}), (std::vector<char>{0, 0}));
}

TEST(Collective, NamesARankThatHasEnded) {
  const std::vector<std::vector<int>> links = local_links(2);
  ::close(links[1][0]);
  const Collective group(0, links[0]);
  std::vector<float> x(std::size_t{1} << 20);
  try {
    group.sum(std::span<float>(x));
    FAIL() << "a rank that has ended gave a sum";
  } catch (const RankLostError& e) {
    EXPECT_STREQ(e.what(), "rank 1 of 2 has ended");
  }
}

TEST(Collective, NoticesAnEndWhileItWaits) {
  const std::vector<std::vector<int>> links = local_links(2);
  const Collective group(0, links[0]);
  std::thread other([&] {
    const float part = 1;
    EXPECT_EQ(::send(links[1][0], &part, sizeof part, 0), ssize_t{sizeof part});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ::close(links[1][0]);
  });
  std::vector<float> x(1000);
  EXPECT_THROW(group.sum(std::span<float>(x)), RankLostError);
  other.join();
}

TEST(Collective, RefusesGroupsThatAreNoTree) {
  EXPECT_THROW(local_links(0), ShapeError);
  EXPECT_THROW(local_links(3), ShapeError);
  EXPECT_THROW(Collective(1, {}), ShapeError);
  EXPECT_THROW(Collective(-1, {}), ShapeError);
}

}  // namespace
}  // namespace trifold::kernels
