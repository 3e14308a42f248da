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

#include "kernels/runtime/exec.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/kernels/support_device.h"

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

/// The rows of (rows, channels) as the first channels of (rows, pitch); the others are `filler`.
inline Floats spread(const Floats& values, std::int64_t channels, std::int64_t pitch,
                     float filler) {
  Floats wide(values.size() / index(channels) * index(pitch), filler);
  for (std::size_t i = 0; i < values.size(); ++i) {
    wide[i / index(channels) * index(pitch) + i % index(channels)] = values[i];
  }
  return wide;
}

inline Doubles widen(const Floats& values) { return {values.begin(), values.end()}; }

inline double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Back to the strongest instruction set however a test ends.
struct ReleaseInstructionSet {
  ~ReleaseInstructionSet() { release_instruction_set(); }
};

/// The outputs of op(trial, pointers to copies of `initial`), once the canaries are seen to be
/// alive.
template <class Op>
std::vector<Floats> outputs_of(const Trial& trial, const std::vector<Floats>& initial,
                               const Op& op) {
  std::vector<DeviceArray<float>> outputs;
  std::vector<float*> pointers;
  for (const Floats& values : initial) {
    outputs.emplace_back(trial.device, values);
    pointers.push_back(outputs.back().data());
  }
  op(trial, pointers);
  std::vector<Floats> values;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_TRUE(outputs[i].intact()) << "output " << i << " overran";
    values.push_back(outputs[i].values());
  }
  EXPECT_TRUE(trial.inputs_intact()) << "an input was written to";
  return values;
}

/// Runs op(trial, outputs) on the CPU with every instruction set, on the caller alone and with 1, 2
/// and 3 threads, and twice on the GPU, on fresh copies of `initial`. The outputs' bits must agree
/// within an instruction set and on the GPU, and the canaries survive. verify(outputs) runs once an
/// instruction set and once for the GPU.
template <class Op, class Verify>
void run_everywhere(const std::vector<Floats>& initial, const Op& op, const Verify& verify) {
  std::vector<Floats> first;
  const auto run = [&](const Trial& trial, bool is_first) {
    const std::vector<Floats> values = outputs_of(trial, initial, op);
    if (is_first) {
      verify(values);
      first = values;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_TRUE(same_bits(values[i], first[i])) << "output " << i << " differs";
    }
    return !testing::Test::HasFailure();
  };
  ReleaseInstructionSet release_set;
  static ThreadPool one(1), two(2), three(3);
  for (const InstructionSet set : supported_instruction_sets()) {
    force_instruction_set(set);
    bool is_first = true;
    for (ThreadPool* pool : std::array<ThreadPool*, 5>{nullptr, nullptr, &one, &two, &three}) {
      SCOPED_TRACE(std::string(to_string(set)) + ", " +
                   (pool ? std::to_string(pool->threads()) : "no") + " threads");
      ASSERT_TRUE(run(Trial(Device{}, pool), std::exchange(is_first, false)));
    }
  }
  for (const Device device : devices()) {
    if (device.kind == DeviceKind::cpu) continue;
    for (const bool is_first : {true, false}) {
      SCOPED_TRACE(to_string(device) + (is_first ? ", first run" : ", second run"));
      ASSERT_TRUE(run(Trial(device), is_first));
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
