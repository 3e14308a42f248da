#include "kernels/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/cpu/conv2d_algorithm.h"
#include "kernels/cpu/conv2d_tiles.h"
#include "kernels/error.h"
#include "kernels/instruction_set.h"
#include "kernels/thread_pool.h"
#include "tests/oracle/conv2d.h"

namespace trifold::kernels {
namespace {

using Floats = std::vector<float>;
using oracle::Conv2dCase;

std::vector<Conv2dCase> small_cases() {
  const std::string path = std::string(TRIFOLD_SOURCE_DIR) + "/bench/shapes/conv2d_small.txt";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::vector<Conv2dCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    Conv2dCase t{};
    std::istringstream in(line);
    in >> t.n >> t.h >> t.w >> t.c >> t.k >> t.r >> t.s >> t.stride >> t.pad;
    EXPECT_TRUE(in) << path << ": " << line;
    cases.push_back(t);
  }
  EXPECT_GE(cases.size(), 25u);
  return cases;
}

std::string name(const Conv2dCase& t) {
  std::ostringstream out;
  out << t.n << "x" << t.h << "x" << t.w << "x" << t.c << " to " << t.k << ", window " << t.r << "x"
      << t.s << ", stride " << t.stride << ", pad " << t.pad << ", "
      << to_string(active_instruction_set());
  return out.str();
}

Conv2dShape shape_of(const Conv2dCase& t) {
  return {.n = t.n,
          .h = t.h,
          .w = t.w,
          .c = t.c,
          .k = t.k,
          .r = t.r,
          .s = t.s,
          .stride_h = t.stride,
          .stride_w = t.stride,
          .pad_h = t.pad,
          .pad_w = t.pad};
}

enum class Fill { integers, reals };

Floats filled(std::int64_t count, Fill fill, unsigned seed) {
  std::mt19937 random(seed);
  Floats v(static_cast<std::size_t>(count));
  for (float& e : v) {
    const auto bits = static_cast<std::int64_t>(random() >> 8);
    e = fill == Fill::integers ? static_cast<float>(bits % 7 - 3)
                               : static_cast<float>(bits) / (1 << 23) - 1.0f;
  }
  return v;
}

/// An output between guard bands, full of NaN so that an element never written shows.
class Guarded {
 public:
  explicit Guarded(std::int64_t count, float value = std::numeric_limits<float>::quiet_NaN())
      : memory_(static_cast<std::size_t>(count + 2 * kGuard), kCanary) {
    std::fill(data(), data() + count, value);
  }
  float* data() { return memory_.data() + kGuard; }
  /// The output, after a check that the bands are intact.
  Floats take() const {
    for (std::size_t i = 0; i < kGuard; ++i) {
      EXPECT_EQ(memory_[i], kCanary);
      EXPECT_EQ(memory_[memory_.size() - 1 - i], kCanary);
    }
    return {memory_.begin() + kGuard, memory_.end() - kGuard};
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 32;
  static constexpr float kCanary = 12345.0f;
  Floats memory_;
};

struct Results {
  Floats y, dx, dw, db;
};

Results run_all(const Conv2dCase& t, ThreadPool* pool, const Floats& x, const Floats& w,
                const Floats& b, const Floats& dy) {
  const Exec ex{.pool = pool};
  const Conv2dShape s = shape_of(t);
  Guarded y(s.y_size()), dx(s.x_size()), dw(s.w_size()), db(s.k);
  conv2d_forward(ex, s, x.data(), w.data(), b.data(), y.data());
  conv2d_backward_data(ex, s, dy.data(), w.data(), Write::overwrite, dx.data());
  conv2d_backward_weight(ex, s, x.data(), dy.data(), dw.data(), db.data());
  return {y.take(), dx.take(), dw.take(), db.take()};
}

void expect_within(const Floats& actual, const oracle::Sums& exact, std::int64_t terms) {
  ASSERT_EQ(actual.size(), exact.value.size());
  const double unit = std::ldexp(static_cast<double>(terms + 2), -24);
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - exact.value[i]), unit * exact.magnitude[i]) << "element " << i;
}

void expect_equal(const Floats& actual, const oracle::Sums& exact) {
  ASSERT_EQ(actual.size(), exact.value.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_EQ(actual[i], exact.value[i]) << "element " << i;
}

void expect_same_bits(const Floats& a, const Floats& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

class Conv2d : public testing::TestWithParam<InstructionSet> {
 protected:
  // Winograd's algorithm has tests, and a bound, of its own.
  void SetUp() override {
    force_instruction_set(GetParam());
    cpu::force_conv2d_algorithm(cpu::Conv2dAlgorithm::direct);
  }
  void TearDown() override {
    release_instruction_set();
    cpu::force_conv2d_algorithm(std::nullopt);
  }
};

INSTANTIATE_TEST_SUITE_P(Sets, Conv2d, testing::ValuesIn(supported_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

TEST_P(Conv2d, ForcedInstructionSetRuns) { EXPECT_EQ(cpu::tiles().set, GetParam()); }

TEST_P(Conv2d, EqualsOracleOnIntegersAndStaysInBoundOnReals) {
  ThreadPool pool(2);
  for (const Conv2dCase& t : small_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    for (Fill fill : {Fill::integers, Fill::reals}) {
      const Floats x = filled(s.x_size(), fill, 1), w = filled(s.w_size(), fill, 2);
      const Floats b = filled(s.k, fill, 3), dy = filled(s.y_size(), fill, 4);
      const Results r = run_all(t, &pool, x, w, b, dy);
      const oracle::Sums y = oracle::conv2d_forward(t, x, w, b);
      const oracle::Sums dx = oracle::conv2d_backward_data(t, dy, w);
      const oracle::Sums dw = oracle::conv2d_backward_weight(t, x, dy);
      const oracle::Sums db = oracle::conv2d_backward_bias(t, dy);
      if (fill == Fill::integers) {
        expect_equal(r.y, y);
        expect_equal(r.dx, dx);
        expect_equal(r.dw, dw);
        expect_equal(r.db, db);
      } else {
        expect_within(r.y, y, t.r * t.s * t.c);
        expect_within(r.dx, dx, t.r * t.s * t.k);
        expect_within(r.dw, dw, t.n * t.p() * t.q());
        expect_within(r.db, db, t.n * t.p() * t.q());
      }
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(Conv2d, SameBitsForEveryThreadCountAndAgain) {
  ThreadPool two(2), three(3);
  for (const Conv2dCase& t : small_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const Floats x = filled(s.x_size(), Fill::reals, 1), w = filled(s.w_size(), Fill::reals, 2);
    const Floats b = filled(s.k, Fill::reals, 3), dy = filled(s.y_size(), Fill::reals, 4);
    const Results first = run_all(t, nullptr, x, w, b, dy);
    for (ThreadPool* pool : {static_cast<ThreadPool*>(nullptr), &two, &three}) {
      const Results again = run_all(t, pool, x, w, b, dy);
      expect_same_bits(first.y, again.y);
      expect_same_bits(first.dx, again.dx);
      expect_same_bits(first.dw, again.dw);
      expect_same_bits(first.db, again.db);
    }
    // The gradients are the adjoints of the forward pass without bias.
    Guarded y(s.y_size());
    conv2d_forward(Exec{}, s, x.data(), w.data(), nullptr, y.data());
    const double product = dot(y.take(), dy),
                 size = std::sqrt(dot(dy, dy) * dot(x, x)) * std::sqrt(dot(w, w));
    EXPECT_NEAR(dot(x, first.dx), product, 1e-5 * size);
    EXPECT_NEAR(dot(w, first.dw), product, 1e-5 * size);
  }
}

TEST_P(Conv2d, AccumulatesDataGradient) {
  for (const Conv2dCase& t : small_cases()) {
    SCOPED_TRACE(name(t));
    const Conv2dShape s = shape_of(t);
    const Floats w = filled(s.w_size(), Fill::integers, 2);
    const Floats dy = filled(s.y_size(), Fill::integers, 4);
    Guarded once(s.x_size()), added(s.x_size(), 5.0f);
    conv2d_backward_data(Exec{}, s, dy.data(), w.data(), Write::overwrite, once.data());
    conv2d_backward_data(Exec{}, s, dy.data(), w.data(), Write::accumulate, added.data());
    Floats expected = once.take();
    for (float& e : expected) e += 5.0f;
    EXPECT_EQ(added.take(), expected);
  }
}

TEST_P(Conv2d, BiasMayBeNull) {
  const Conv2dCase t{2, 6, 6, 5, 11, 3, 3, 1, 1};
  const Conv2dShape s = shape_of(t);
  const Floats x = filled(s.x_size(), Fill::reals, 1), w = filled(s.w_size(), Fill::reals, 2);
  const Floats dy = filled(s.y_size(), Fill::reals, 4), zero(11, 0.0f);
  const Results with = run_all(t, nullptr, x, w, zero, dy);
  Guarded y(s.y_size()), dw(s.w_size());
  conv2d_forward(Exec{}, s, x.data(), w.data(), nullptr, y.data());
  conv2d_backward_weight(Exec{}, s, x.data(), dy.data(), dw.data(), nullptr);
  expect_same_bits(y.take(), with.y);
  expect_same_bits(dw.take(), with.dw);
}

TEST(Conv2dCheck, RejectsShapesThatDoNotFit) {
  const Conv2dShape good{.n = 2, .h = 8, .w = 8, .c = 3, .k = 4, .r = 3, .s = 3, .pad_h = 1};
  EXPECT_NO_THROW(check(good));
  for (auto extent :
       {&Conv2dShape::n, &Conv2dShape::h, &Conv2dShape::w, &Conv2dShape::c, &Conv2dShape::k,
        &Conv2dShape::r, &Conv2dShape::s, &Conv2dShape::stride_h, &Conv2dShape::stride_w}) {
    Conv2dShape bad = good;
    bad.*extent = 0;
    EXPECT_THROW(check(bad), ShapeError);
  }
  Conv2dShape bad = good;
  bad.pad_h = 3;
  EXPECT_THROW(check(bad), ShapeError) << "pad as large as the window";
  bad = good;
  bad.pad_w = -1;
  EXPECT_THROW(check(bad), ShapeError) << "negative pad";
  bad = good;
  bad.s = 9;
  EXPECT_THROW(check(bad), ShapeError) << "empty output";
  bad = good;
  bad.n = std::int64_t{1} << 58;
  EXPECT_THROW(check(bad), ShapeError) << "2^62 elements or more";
  bad = good;
  bad.c = 0;
  EXPECT_THROW(conv2d_forward(Exec{}, bad, nullptr, nullptr, nullptr, nullptr), ShapeError);
  EXPECT_THROW(conv2d_backward_data(Exec{}, bad, nullptr, nullptr, Write::overwrite, nullptr),
               ShapeError);
  EXPECT_THROW(conv2d_backward_weight(Exec{}, bad, nullptr, nullptr, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace trifold::kernels
