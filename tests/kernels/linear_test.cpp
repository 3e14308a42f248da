#include "kernels/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "kernels/instruction_set.h"
#include "kernels/thread_pool.h"
#include "tests/oracle/linear.h"

namespace trifold::kernels {
namespace {

using Floats = std::vector<float>;

Floats reals(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  Floats v(static_cast<std::size_t>(count));
  for (float& e : v) e = static_cast<float>(random() >> 8) / (1 << 23) - 1.0f;
  return v;
}

Floats unwritten(std::int64_t count) {
  return Floats(static_cast<std::size_t>(count), std::numeric_limits<float>::quiet_NaN());
}

void expect_within(const Floats& actual, const oracle::Product& exact, std::int64_t terms) {
  ASSERT_EQ(actual.size(), exact.value.size());
  const double unit = std::ldexp(static_cast<double>(terms + 2), -24);
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - exact.value[i]), unit * exact.magnitude[i]) << "element " << i;
}

class Linear : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override { force_instruction_set(GetParam()); }
  void TearDown() override { release_instruction_set(); }
};
INSTANTIATE_TEST_SUITE_P(Sets, Linear, testing::ValuesIn(supported_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

TEST_P(Linear, StaysInBoundWithTheSameBitsForEveryThreadCount) {
  ThreadPool pool(3);
  for (const LinearShape& s : {LinearShape{1, 1, 1}, LinearShape{128, 64, 10},
                               LinearShape{7, 45, 100}, LinearShape{300, 23, 13}}) {
    SCOPED_TRACE(s.in);
    const Floats x = reals(s.n * s.in, 1), w = reals(s.in * s.out, 2), b = reals(s.out, 3);
    const Floats dy = reals(s.n * s.out, 4), ones(static_cast<std::size_t>(s.n), 1.0f);
    Floats results[2][4];
    for (int i : {0, 1}) {
      const Exec ex{.pool = i == 0 ? nullptr : &pool};
      Floats y = unwritten(s.n * s.out), dx = unwritten(s.n * s.in), db = unwritten(s.out);
      Floats dw = unwritten(s.in * s.out);
      linear_forward(ex, s, x.data(), w.data(), b.data(), y.data());
      linear_backward_data(ex, s, dy.data(), w.data(), dx.data());
      linear_backward_weight(ex, s, x.data(), dy.data(), dw.data(), db.data());
      results[i][0] = y, results[i][1] = dx, results[i][2] = dw, results[i][3] = db;
    }
    for (int j = 0; j < 4; ++j) EXPECT_EQ(results[0][j], results[1][j]);

    oracle::Product y = oracle::multiply(s.n, s.in, s.out, x, false, w, false);
    for (std::size_t i = 0; i < y.value.size(); ++i) {
      const double bias = b[i % b.size()];
      y.value[i] += bias;
      y.magnitude[i] += std::abs(bias);
    }
    expect_within(results[0][0], y, s.in);
    expect_within(results[0][1], oracle::multiply(s.n, s.out, s.in, dy, false, w, true), s.out);
    expect_within(results[0][2], oracle::multiply(s.in, s.n, s.out, x, true, dy, false), s.n);
    expect_within(results[0][3], oracle::multiply(1, s.n, s.out, ones, false, dy, false), s.n);
  }
}

TEST(LinearCheck, RejectsEmptyExtents) {
  for (const LinearShape& s : {LinearShape{0, 1, 1}, LinearShape{1, 0, 1}, LinearShape{1, 1, 0}}) {
    EXPECT_THROW(linear_forward(Exec{}, s, nullptr, nullptr, nullptr, nullptr), ShapeError);
    EXPECT_THROW(linear_backward_data(Exec{}, s, nullptr, nullptr, nullptr), ShapeError);
    EXPECT_THROW(linear_backward_weight(Exec{}, s, nullptr, nullptr, nullptr, nullptr), ShapeError);
  }
}

}  // namespace
}  // namespace trifold::kernels
