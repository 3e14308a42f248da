#include "kernels/runtime/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/runtime/error.h"

namespace trifold::kernels {
namespace {

class ThreadPoolOf : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolOf, CoversEveryIndexOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (std::int64_t count : {0, 1, 2, 3, 7, 100, 1001}) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
    pool.parallel_for(count, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_LT(begin, end);
      for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    for (const std::atomic<int>& v : visits) EXPECT_EQ(v, 1);
  }
}

TEST_P(ThreadPoolOf, SeesPlainWritesOfTheBodies) {
  ThreadPool pool(GetParam());
  std::vector<std::int64_t> values(257, 0);
  for (int round = 0; round < 500; ++round)
    pool.parallel_for(257, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++values[static_cast<std::size_t>(i)];
    });
  for (std::int64_t v : values) EXPECT_EQ(v, 500);
}

TEST_P(ThreadPoolOf, RethrowsAndStaysUsable) {
  ThreadPool pool(GetParam());
  std::atomic<std::int64_t> visited{0};
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    visited += end - begin;
    if (begin == 0) throw std::runtime_error("first range");
  };
  EXPECT_THROW(pool.parallel_for(100, body), std::runtime_error);
  EXPECT_EQ(visited, 100) << "the other ranges ran to their end";
  visited = 0;
  pool.parallel_for(10, [&](std::int64_t begin, std::int64_t end) { visited += end - begin; });
  EXPECT_EQ(visited, 10);
}

TEST_P(ThreadPoolOf, NestedCallStaysOnItsThread) {
  ThreadPool pool(GetParam());
  std::atomic<std::int64_t> inner{0};
  pool.parallel_for(8, [&](std::int64_t begin, std::int64_t end) {
    const std::thread::id outer_thread = std::this_thread::get_id();
    for (std::int64_t i = begin; i < end; ++i)
      pool.parallel_for(5, [&](std::int64_t b, std::int64_t e) {
        EXPECT_EQ(std::this_thread::get_id(), outer_thread);
        inner += e - b;
      });
  });
  EXPECT_EQ(inner, 40);
}

TEST_P(ThreadPoolOf, ServesSeveralCallers) {
  ThreadPool pool(GetParam());
  std::atomic<std::int64_t> total{0};
  const auto call = [&] {
    for (int round = 0; round < 50; ++round)
      pool.parallel_for(20, [&](std::int64_t begin, std::int64_t end) { total += end - begin; });
  };
  std::thread other(call);
  call();
  other.join();
  EXPECT_EQ(total, 2000);
}

TEST(ThreadPool, ZeroTakesTheProcessors) { EXPECT_GE(ThreadPool(0).threads(), 1); }

TEST(ThreadPool, RejectsNegativeCount) { EXPECT_THROW(ThreadPool(-1), ConfigError); }

}  // namespace
}  // namespace trifold::kernels
