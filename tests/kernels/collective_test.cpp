#include "kernels/collective.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "kernels/runtime/memory.h"

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

Collective member(int rank, const std::vector<int>& sockets) {
  return Collective(socket_links(rank, sockets));
}

// Calls run(rank, group) for every rank on a thread of its own.
void on_all_ranks(int ranks, const std::function<void(std::size_t, Collective&)>& run) {
  const std::vector<std::vector<int>> sockets = local_sockets(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto own = static_cast<std::size_t>(rank);
      Collective group = member(rank, sockets[own]);
      run(own, group);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void sum(const Collective& group, std::vector<float>& x) {
  group.sum(Exec{}, std::ssize(x), x.data());
}
void sum(const Collective& group, std::vector<double>& x) { group.sum(std::span<double>(x)); }

// The sums that the ranks got.
template <class T>
std::vector<std::vector<T>> sums(int ranks, std::size_t count) {
  std::vector<std::vector<T>> results(static_cast<std::size_t>(ranks));
  on_all_ranks(ranks, [&](std::size_t rank, const Collective& group) {
    results[rank] = terms<T>(static_cast<int>(rank), count);
    sum(group, results[rank]);
  });
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

// With TRIFOLD_NCCL=0 and without it: the environment is read once.
TEST(Collective, SumsOnGpusAsOnTheHost) {
  constexpr int ranks = 4;
  if (device_count(DeviceKind::cuda) < ranks) GTEST_SKIP() << "there aren't 4 CUDA devices";
  constexpr std::int64_t count = 997;
  const auto expected = sums<float>(ranks, count);
  const char* const nccl = std::getenv("TRIFOLD_NCCL");
  const bool linked = nccl == nullptr || std::string_view(nccl) != "0";
  std::vector<std::vector<float>> found(ranks);
  on_all_ranks(ranks, [&](std::size_t rank, Collective& group) {
    const Exec ex{.device = {DeviceKind::cuda, static_cast<int>(rank)}};
    EXPECT_EQ(group.link_gpus(ex.device), linked);
    const std::vector<float> own = terms<float>(static_cast<int>(rank), count);
    const Block block = allocate(ex.device, count * 4);
    auto* const x = static_cast<float*>(block.data);
    copy_memory(ex.device, x, Device{}, own.data(), count * 4);
    group.sum(ex, count, x);
    found[rank].resize(count);
    copy_memory(Device{}, found[rank].data(), ex.device, x, count * 4);
    release(ex.device, block);
  });
  EXPECT_EQ(found, expected);
}

TEST(Collective, OneGpuForTwoRanksIsRefused) {
  if (device_count(DeviceKind::cuda) == 0) GTEST_SKIP() << "there is no CUDA device";
  const char* const nccl = std::getenv("TRIFOLD_NCCL");
  if (nccl != nullptr) GTEST_SKIP() << "TRIFOLD_NCCL is set";
  on_all_ranks(2, [&](std::size_t, Collective& group) {
    const Device device{DeviceKind::cuda, 0};
    try {
      EXPECT_FALSE(group.link_gpus(device));  // where NCCL isn't installed
    } catch (const DeviceError& e) {
      EXPECT_NE(std::string_view(e.what()).find("invalid usage"), std::string_view::npos)
          << e.what();
    }
  });
}

TEST(Collective, NoticesOnGpusThatARankHasEnded) {
  if (device_count(DeviceKind::cuda) < 2) GTEST_SKIP() << "there aren't 2 CUDA devices";
  on_all_ranks(2, [&](std::size_t rank, Collective& group) {
    const Exec ex{.device = {DeviceKind::cuda, static_cast<int>(rank)}};
    group.link_gpus(ex.device);
    if (rank == 1) return;  // with its links
    const Block block = allocate(ex.device, 4000);
    clear_memory(ex.device, block.data, 4000);
    EXPECT_THROW(group.sum(ex, 1000, static_cast<float*>(block.data)), RankLostError);
    release(ex.device, block);
  });
}

TEST(Collective, KnowsWhetherAllSayTheSame) {
  const auto said = [](const std::vector<std::uint32_t>& numbers) {
    std::vector<char> equal(numbers.size());
    on_all_ranks(static_cast<int>(numbers.size()), [&](std::size_t rank, const Collective& group) {
      equal[rank] = group.all_equal(numbers[rank]);
    });
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
  const std::vector<std::vector<int>> links = local_sockets(2);
  ::close(links[1][0]);
  const Collective group = member(0, links[0]);
  std::vector<float> x(std::size_t{1} << 20);
  try {
    sum(group, x);
    FAIL() << "a rank that has ended gave a sum";
  } catch (const RankLostError& e) {
    EXPECT_STREQ(e.what(), "rank 1 of 2 has ended");
  }
}

TEST(Collective, NoticesAnEndWhileItWaits) {
  const std::vector<std::vector<int>> links = local_sockets(2);
  const Collective group = member(0, links[0]);
  std::thread other([&] {
    const float part = 1;
    EXPECT_EQ(::send(links[1][0], &part, sizeof part, 0), ssize_t{sizeof part});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ::close(links[1][0]);
  });
  std::vector<float> x(1000);
  EXPECT_THROW(sum(group, x), RankLostError);
  other.join();
}

TEST(Collective, LosesItsPatienceWithARankThatHangs) {
  using namespace std::chrono_literals;
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t few = 1, more_than_a_socket_holds = std::size_t{1} << 20;
  for (const std::size_t count : {few, more_than_a_socket_holds}) {
    const std::vector<std::vector<int>> links = local_sockets(2);
    const Collective group(socket_links(0, links[0], 200ms));
    std::vector<float> x(count);
    const Clock::time_point start = Clock::now();
    try {
      sum(group, x);
      ADD_FAILURE() << "a rank that hangs gave a sum of " << count;
    } catch (const RankLostError& e) {
      EXPECT_STREQ(e.what(),
                   "rank 1 of 2 has not answered for 0.2 s; it hangs, waits for one that does, or "
                   "its machine is out of reach");
    }
    EXPECT_GE(Clock::now() - start, 200ms);
    EXPECT_LT(Clock::now() - start, 10s);
    ::close(links[1][0]);
  }
}

TEST(Collective, IsPatientWithASlowRank) {
  using namespace std::chrono_literals;
  const std::vector<std::vector<int>> links = local_sockets(2);
  const Collective group(socket_links(0, links[0], 1500ms));
  std::thread other([&] {
    const double part = 2;
    const std::span<const std::byte> bytes = std::as_bytes(std::span(&part, 1));
    for (const std::byte& byte : bytes) {  // 2 s, at each moment of which something is new
      std::this_thread::sleep_for(250ms);
      EXPECT_EQ(::send(links[1][0], &byte, 1, 0), 1);
    }
  });
  std::vector<double> x = {1};
  EXPECT_NO_THROW(sum(group, x));
  EXPECT_EQ(x[0], 3);
  other.join();
  ::close(links[1][0]);
}

TEST(Collective, CountsNoTimeInWhichItWasStopped) {
  Patience patience(2 * Patience::step);
  std::this_thread::sleep_for(3 * Patience::step);
  EXPECT_FALSE(patience.over());  // that was one step
  std::this_thread::sleep_for(Patience::step);
  EXPECT_TRUE(patience.over());
  patience.restart();
  EXPECT_FALSE(patience.over());
}

TEST(Collective, RefusesGroupsThatAreNoTree) {
  EXPECT_THROW(local_sockets(0), ShapeError);
  EXPECT_THROW(local_sockets(3), ShapeError);
  EXPECT_THROW(socket_links(1, {}), ShapeError);
  EXPECT_THROW(socket_links(-1, {}), ShapeError);
}

}  // namespace
}  // namespace trifold::kernels
