#include "tests/simt/semantics.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "kernels/simt/emulator.h"
#include "kernels/simt/profile.h"

namespace simt::test {
namespace {

/// Every order of threads and blocks has to give the same.
class Semantics : public testing::TestWithParam<Order> {
 protected:
  void SetUp() override {
    reset();
    settings().order = GetParam();
  }
  void TearDown() override {
    settings() = Settings{};
    EXPECT_TRUE(take_reports().empty());
    reset();
  }
};

TEST_P(Semantics, WarpOperations) {
  const WarpResults r = run_warp();
  for (int lane = 0; lane < 32; ++lane) {
    const auto i = static_cast<std::size_t>(lane);
    EXPECT_EQ(r.from_3[i], 30);
    EXPECT_EQ(r.xor_5[i], 10 * (lane ^ 5));
    EXPECT_EQ(r.down_4[i], 10 * (lane + 4 < 32 ? lane + 4 : lane));
    EXPECT_EQ(r.up_4_of_8[i], 10 * (lane % 8 >= 4 ? lane - 4 : lane));
    EXPECT_EQ(r.even_votes[i], 0x55555555);
    EXPECT_EQ(r.any[i], 0);
    EXPECT_EQ(r.all[i], 1);
    EXPECT_EQ(static_cast<unsigned>(r.match[i]), 0xffu << lane / 8 * 8);
    EXPECT_EQ(r.sum[i], 4960);
    EXPECT_EQ(r.least[i], -7);
    EXPECT_EQ(r.most[i], 310);
  }
}

TEST_P(Semantics, Barriers) {
  for (const int threads : {1, 31, 32, 33, 100, 1024}) {
    const BarrierResults r = run_barriers(static_cast<unsigned>(threads));
    for (int t = 0; t < threads; ++t) {
      const auto i = static_cast<std::size_t>(t);
      EXPECT_EQ(r.count[i], (threads + 2) / 3);
      EXPECT_EQ(r.all[i], threads == 1);
      EXPECT_EQ(r.any[i], 1);
      EXPECT_EQ(r.reversed[i], threads - 1 - t);
    }
  }
}

TEST_P(Semantics, Atomics) {
  const AtomicResults r = run_atomics();
  EXPECT_EQ(r.add, 255 * 256 / 2);
  EXPECT_EQ(r.least, -5);
  EXPECT_EQ(r.most, 255);
  EXPECT_EQ(r.exchange_count, 1);
  EXPECT_EQ(r.bits, 0xffff);
  EXPECT_GE(r.compare_and_swap, 1);  // Thread 0 swaps; how many follow depends on the order.
  EXPECT_EQ(r.float_add, 128);
}

TEST_P(Semantics, Indices) {
  std::vector<int> expected(12 * 24);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(run_indices(), expected);
}

/// Against double, exactly on small integers and within rounding on others.
TEST_P(Semantics, TensorCoreProducts) {
  std::mt19937 random(7);
  for (const auto how : {Multiply::bf16_fragments, Multiply::bf16_ldmatrix,
                         Multiply::tf32_fragments, Multiply::tf32_ldmatrix}) {
    const bool bf16 = how == Multiply::bf16_fragments || how == Multiply::bf16_ldmatrix;
    for (const int k : {16, 48}) {
      for (const bool integers : {true, false}) {
        std::vector<float> a(static_cast<std::size_t>(16 * k)), b(static_cast<std::size_t>(k * 8));
        for (auto* all : {&a, &b}) {
          for (float& v : *all) {
            v = integers ? static_cast<float>(static_cast<int>(random() % 17) - 8)
                         : std::uniform_real_distribution<float>(-1, 1)(random);
          }
        }
        const std::vector<float> c = run_product(how, k, a, b);
        // Both operands' rounding (bf16) or truncation (TF32), then the sum's.
        const double unit = integers ? 0 : bf16 ? 0x1p-8 + 0x1p-8 : 0x1p-10 + 0x1p-10;
        for (int i = 0; i < 16; ++i) {
          for (int j = 0; j < 8; ++j) {
            double sum = 0, magnitude = 0;
            for (int l = 0; l < k; ++l) {
              const double term = static_cast<double>(a[static_cast<std::size_t>(i * k + l)]) *
                                  static_cast<double>(b[static_cast<std::size_t>(l * 8 + j)]);
              sum += term;
              magnitude += std::abs(term);
            }
            EXPECT_NEAR(static_cast<double>(c[static_cast<std::size_t>(i * 8 + j)]), sum,
                        (unit * 1.01 + (integers ? 0 : k * 0x1p-24)) * magnitude);
          }
        }
      }
    }
  }
}

TEST_P(Semantics, LdmatrixPlacesElements) {
  for (const bool transposed : {false, true}) {
    const std::vector<std::uint32_t> r = run_ldmatrix_x2(transposed);
    for (unsigned lane = 0; lane < 32; ++lane) {
      for (unsigned matrix = 0; matrix < 2; ++matrix) {
        for (unsigned half = 0; half < 2; ++half) {
          const unsigned row = lane / 4, column = lane % 4 * 2 + half;
          const unsigned expected =
              1000 * matrix + (transposed ? 10 * column + row : 10 * row + column);
          EXPECT_EQ(r[2 * lane + matrix] >> 16 * half & 0xffff, expected);
        }
      }
    }
  }
}

TEST_P(Semantics, AsyncCopies) {
  for (const bool vectors : {false, true}) {
    for (const int n : {128, 100, 4}) {
      const std::vector<float> y = run_async_copy(vectors, n);
      for (int i = 0; i < 128; ++i) {
        const int from = 127 - i;
        EXPECT_EQ(y[static_cast<std::size_t>(i)], from < n ? static_cast<float>(from) : 0.0f);
      }
    }
  }
}

/// NaN, subnormal numbers and conversions are a GPU's, whatever the host's thread does with them.
TEST_P(Semantics, Arithmetic) {
  constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x40;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | flush_to_zero | denormals_are_zero);
  const ArithmeticResults r = run_arithmetic();
  EXPECT_EQ(_mm_getcsr() & (flush_to_zero | denormals_are_zero),
            flush_to_zero | denormals_are_zero);
  _mm_setcsr(before);
  constexpr std::uint32_t nan = 0x7fffffff;
  EXPECT_EQ(r.bits, (std::vector<std::uint32_t>{nan, nan, 0x7fff, 0x00400000, 0}));
  EXPECT_EQ(r.stored, (std::vector<std::uint32_t>{nan, 0x00800000, 0xff800000, nan, nan, 0, 0, 0}));
  EXPECT_EQ(r.ints, (std::vector<int>{0, 0x7fffffff, -0x7fffffff - 1, 2}));
}

/// What the programming guide's table of capabilities has of shared memory.
TEST(Device, ClaimsTheSharedMemoryOfItsCapability) {
  const auto claims = [](int capability) {
    settings().capability = capability;
    int opt_in = 0, all = 0;
    cudaDeviceGetAttribute(&opt_in, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
    cudaDeviceGetAttribute(&all, cudaDevAttrMaxSharedMemoryPerMultiprocessor, 0);
    settings() = Settings{};
    return std::pair(opt_in / 1024, all / 1024);
  };
  EXPECT_EQ(claims(75), std::pair(64, 64));
  EXPECT_EQ(claims(80), std::pair(163, 164));
  EXPECT_EQ(claims(89), std::pair(99, 100));
  EXPECT_EQ(claims(90), std::pair(227, 228));
  EXPECT_EQ(claims(103), std::pair(227, 228));
  EXPECT_EQ(claims(120), std::pair(99, 100));
}

INSTANTIATE_TEST_SUITE_P(Orders, Semantics,
                         testing::Values(Order::forward, Order::reverse, Order::random));

/// Lazy streams make a missing synchronisation a wrong result, every time.
TEST(Streams, LazyWorkNeedsSynchronisation) {
  reset();
  settings().lazy_streams = true;
  EXPECT_EQ(run_two_streams(true), 6);
  EXPECT_EQ(run_two_streams(false), 0);
  EXPECT_EQ(run_pinned(true), 7);
  EXPECT_EQ(run_pinned(false), -1);
  settings() = Settings{};
  EXPECT_EQ(run_two_streams(false), 6);
}

TEST(Graphs, RepeatWhatTheStreamWasGiven) {
  for (const bool lazy : {false, true}) {
    reset();
    settings().lazy_streams = lazy;
    EXPECT_EQ(run_graph(3), (std::vector<float>{1, 6, 36, 216}));
  }
  settings() = Settings{};
}

TEST(Graphs, AreSpoiltByWhatCannotBeCaptured) {
  for (int call = 0; call <= static_cast<int>(Uncapturable::query); ++call) {
    reset();
    EXPECT_EQ(spoil_capture(static_cast<Uncapturable>(call)),
              (std::vector<cudaError_t>{cudaSuccess, cudaErrorStreamCaptureUnsupported,
                                        cudaErrorStreamCaptureInvalidated, cudaSuccess}))
        << "call " << call;
  }
}

TEST(Memory, LivesUntilFreed) {
  reset();
  const std::size_t before = live_allocations().size();
  float* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, 40), cudaSuccess);
  name_memory(data, "weights");
  const auto live = live_allocations();
  ASSERT_EQ(live.size(), before + 1);
  EXPECT_EQ(live.back().name, "weights");
  EXPECT_EQ(live.back().bytes, 40u);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
  EXPECT_EQ(live_allocations().size(), before);
  EXPECT_EQ(cudaFree(data), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(MemoryDeathTest, ListsLeaksAtExit) {
  const auto leak = [] {
    settings().leaks = true;
    void* data = nullptr;
    cudaMalloc(&data, 44);
    std::exit(0);
  };
  EXPECT_EXIT(leak(), testing::ExitedWithCode(0), "leak: the 44-byte allocation");
}

Profile profile_of_stride(int stride) {
  reset();
  clear_profiles();
  settings().profile = true;
  run_strided(stride);
  settings() = Settings{};
  return profiles().at(0);
}

TEST(Profiles, CountSectorsAndBankConflicts) {
  const Profile rows = profile_of_stride(1);
  EXPECT_NE(rows.kernel.find("strided_kernel"), std::string::npos);
  EXPECT_EQ(rows.launches, 1u);
  EXPECT_EQ(rows.threads, 32u);
  EXPECT_EQ(rows.barriers, 1u);
  if (!checks_memory()) GTEST_SKIP() << "the plain build doesn't see memory accesses";
  EXPECT_EQ(rows.loads.requests, 1u);
  EXPECT_EQ(rows.loads.sectors, 4u);
  EXPECT_EQ(rows.loads.ideal_sectors, 4u);
  EXPECT_EQ(rows.stores.sectors, 4u);
  EXPECT_EQ(rows.shared_stores.requests, 32u);
  EXPECT_EQ(rows.shared_stores.wavefronts, 32u);
  EXPECT_EQ(rows.shared_loads.wavefronts, 1u);
  EXPECT_EQ(rows.dram_read_bytes, 128u);
  EXPECT_EQ(rows.dram_written_bytes, 128u);

  const Profile columns = profile_of_stride(32);
  EXPECT_EQ(columns.loads.sectors, 32u);
  EXPECT_EQ(columns.shared_loads.wavefronts, 32u);
  EXPECT_EQ(columns.shared_loads.ideal_wavefronts, 1u);
  EXPECT_EQ(columns.dram_read_bytes, 1024u);
}

TEST(Profiles, CountTensorProducts) {
  reset();
  clear_profiles();
  settings().profile = true;
  run_product(Multiply::bf16_fragments, 32, std::vector<float>(16 * 32, 1.0f),
              std::vector<float>(32 * 8, 1.0f));
  settings() = Settings{};
  EXPECT_EQ(profiles().at(0).tensor_fmas, 16u * 8 * 32);
}

}  // namespace
}  // namespace simt::test
