/// What the tests of the small ops share: fills, guarded outputs and the settings to run under.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/exec.h"
#include "kernels/instruction_set.h"
#include "kernels/thread_pool.h"

namespace trifold::kernels::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr double unit = 0x1p-24;  ///< the rounding error of one float operation, relative

inline std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Counter-based random bits: number `i` of stream `seed`.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t i) {
  std::uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Whole numbers in [-limit, limit]: sums and products of few of them are exact.
inline Floats integers(std::int64_t count, std::uint64_t seed, int limit = 8) {
  Floats values(index(count));
  const auto choices = static_cast<std::uint64_t>(2 * limit + 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int>(random_bits(seed, i) % choices) - limit);
  }
  return values;
}

/// About normal numbers: the sum of four uniform ones, scaled.
inline Floats normals(std::int64_t count, std::uint64_t seed, double mean = 0, double std = 1) {
  Floats values(index(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t bits = random_bits(seed, i);
    double sum = -2;
    for (int part = 0; part < 4; ++part) {
      sum += static_cast<double>((bits >> (16 * part)) & 0xffffu) / 65536.0;
    }
    values[i] = static_cast<float>(mean + std * sum * std::sqrt(3.0));
  }
  return values;
}

inline Floats nans(std::int64_t count) { return Floats(index(count), nan); }

inline Doubles widen(const Floats& values) { return {values.begin(), values.end()}; }

inline double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

/// An array between bands of canaries that no kernel may touch.
template <class T>
class Guarded {
 public:
  explicit Guarded(const std::vector<T>& values)
      : count_(values.size()), storage_(values.size() + 2 * band, canary) {
    std::copy(values.begin(), values.end(), storage_.begin() + band);
  }

  T* data() { return storage_.data() + band; }
  std::vector<T> values() const {
    return {storage_.begin() + band, storage_.begin() + band + static_cast<std::ptrdiff_t>(count_)};
  }
  bool intact() const {
    const auto is_canary = [](T v) { return v == canary; };
    return std::all_of(storage_.begin(), storage_.begin() + band, is_canary) &&
           std::all_of(storage_.end() - band, storage_.end(), is_canary);
  }

 private:
  static constexpr std::ptrdiff_t band = 64;
  static constexpr T canary = static_cast<T>(-54321);
  std::size_t count_;
  std::vector<T> storage_;
};

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Back to the strongest instruction set however a test ends.
struct ReleaseInstructionSet {
  ~ReleaseInstructionSet() { release_instruction_set(); }
};

/// Runs op(ex, outputs) with every instruction set, on the caller alone and with 1, 2 and 3
/// threads, on fresh copies of `initial`. The outputs' bits must agree within an instruction set,
/// and the canaries survive. verify(outputs) runs once an instruction set.
template <class Op, class Verify>
void run_everywhere(const std::vector<Floats>& initial, const Op& op, const Verify& verify) {
  ReleaseInstructionSet release;
  static ThreadPool one(1), two(2), three(3);
  for (const InstructionSet set : supported_instruction_sets()) {
    force_instruction_set(set);
    std::vector<Floats> first;
    for (ThreadPool* pool : std::array<ThreadPool*, 5>{nullptr, nullptr, &one, &two, &three}) {
      const std::string where = std::string(to_string(set)) + ", " +
                                (pool ? std::to_string(pool->threads()) : "no") + " threads";
      std::vector<Guarded<float>> outputs(initial.begin(), initial.end());
      std::vector<float*> pointers;
      for (auto& output : outputs) pointers.push_back(output.data());
      Exec ex;
      ex.pool = pool;
      op(ex, pointers);
      std::vector<Floats> values;
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        ASSERT_TRUE(outputs[i].intact()) << "output " << i << " overran: " << where;
        values.push_back(outputs[i].values());
      }
      if (first.empty()) {
        SCOPED_TRACE(where);
        verify(values);
        first = values;
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(same_bits(values[i], first[i])) << "output " << i << " differs: " << where;
      }
    }
  }
}

/// |actual - expected| <= bound(i) for each element; names the first that is off.
template <class Bound>
void expect_within(const Floats& actual, const Doubles& expected, const Bound& bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    ASSERT_TRUE(error <= bound(i)) << "element " << i << ": " << actual[i] << " for " << expected[i]
                                   << ", error " << error << " above " << bound(i);
  }
}

inline void expect_equal(const Floats& actual, const Doubles& expected) {
  expect_within(actual, expected, [](std::size_t) { return 0.0; });
}

/// The derivative of f along element i of x, by central differences.
template <class F>
double finite_difference(const F& f, Doubles x, std::size_t i, double step = 1e-5) {
  const double at = x[i];
  x[i] = at + step;
  const double up = f(x);
  x[i] = at - step;
  return (up - f(x)) / (2 * step);
}

/// A statement must throw a ShapeError whose text holds `part`.
#define EXPECT_SHAPE_ERROR(statement, part)                                             \
  try {                                                                                 \
    statement;                                                                          \
    ADD_FAILURE() << "no ShapeError from " #statement;                                  \
  } catch (const ShapeError& error) {                                                   \
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what(); \
  }

}  // namespace trifold::kernels::test
