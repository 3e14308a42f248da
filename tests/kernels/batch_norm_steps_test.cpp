/// The steps that a batch norm consists of: kernels/batch_norm.h.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/batch_norm.h"

namespace trifold::kernels {
namespace {

using namespace test;

constexpr float eps = 1e-5f, momentum = 0.25f;
constexpr double rounding = 64 * unit;

const std::vector<BatchNormShape> shapes{{1, 1},   {2, 1},    {9001, 5}, {40000, 1},
                                         {97, 45}, {600, 64}, {70, 257}};

TEST(BatchNormSteps, StatisticsFollowTheOracleHoweverLargeTheMean) {
  for (const BatchNormShape& s : shapes) {
    for (const double mean : {0.5, 1e4}) {
      const Floats x = normals(s.rows * s.channels, 1, mean, 1);
      const auto exact = oracle::batch_statistics(s.channels, widen(x));
      run_everywhere(
          {nans(3 * s.channels)},
          [&](const Trial& ex, const std::vector<float*>& out) {
            batch_norm_statistics(ex, s, ex.in(x), out[0]);
          },
          [&](const std::vector<Floats>& out) {
            const auto c = static_cast<std::ptrdiff_t>(s.channels);
            const auto begin = out[0].begin();
            Floats whole(begin, begin + c), var(begin + 2 * c, out[0].end());
            const auto of_std = [&](std::size_t i) { return rounding * std::sqrt(exact.var[i]); };
            expect_within(whole, exact.mean, [&](std::size_t i) {
              return unit * std::abs(exact.mean[i]) + of_std(i);
            });
            Doubles mean_low = exact.mean;
            for (std::size_t i = 0; i < mean_low.size(); ++i) mean_low[i] -= whole[i];
            expect_within(Floats(begin + c, begin + 2 * c), mean_low, [&](std::size_t i) {
              return 1e-12 * std::abs(exact.mean[i]) + of_std(i);
            });
            expect_within(var, exact.var, [&](std::size_t i) { return rounding * exact.var[i]; });
          });
    }
  }
}

TEST(BatchNormSteps, FactorsFollowTheirFormulas) {
  const BatchNormShape s{50, 37};
  const auto count = index(s.channels);
  const Floats mean = normals(s.channels, 1, 1000, 1), mean_low = normals(s.channels, 2, 0, 1e-5);
  const Floats var = normals(s.channels, 3, 2, 0.2), gamma = normals(s.channels, 4);
  const Floats beta = normals(s.channels, 5);
  Floats statistics = mean;
  statistics.insert(statistics.end(), mean_low.begin(), mean_low.end());
  statistics.insert(statistics.end(), var.begin(), var.end());
  run_everywhere(
      {nans(s.channels), nans(s.channels), nans(s.channels), nans(s.channels), Floats(count, 2.0f),
       Floats(count, 3.0f), nans(s.channels)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const float *m = ex.in(statistics), *g = ex.in(gamma), *b = ex.in(beta);
        // Without running statistics first, into what is overwritten.
        batch_norm_factors(ex, s, m, g, b, eps, momentum, out[0], out[1], out[2], out[6], nullptr,
                           nullptr);
        batch_norm_factors(ex, s, m, g, b, eps, momentum, out[0], out[1], out[2], out[3], out[4],
                           out[5]);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_EQ(out[0], mean);
        EXPECT_TRUE(same_bits(out[3], out[6]));
        for (std::size_t c = 0; c < count; ++c) {
          const double inv = 1 / std::sqrt(double{var[c]} + double{eps});
          const double scale = gamma[c] * inv, shift = beta[c] - mean_low[c] * scale;
          const double running_mean = 0.75 * 2 + 0.25 * (double{mean[c]} + mean_low[c]);
          const double running_var = 0.75 * 3 + 0.25 * var[c] * 50 / 49;
          ASSERT_LE(std::abs(out[1][c] - inv), 4 * unit * inv);
          ASSERT_LE(std::abs(out[2][c] - scale), 4 * unit * std::abs(scale));
          ASSERT_LE(std::abs(out[3][c] - shift), 4 * unit * (std::abs(beta[c]) + 1e-4));
          ASSERT_LE(std::abs(out[4][c] - running_mean), 4 * unit * running_mean);
          ASSERT_LE(std::abs(out[5][c] - running_var), 4 * unit * running_var);
        }
      });
}

TEST(BatchNormSteps, TrainingIsMomentsThenFactorsThenApply) {
  for (const BatchNormShape& s : shapes) {
    const std::int64_t size = s.rows * s.channels;
    const Floats x = normals(size, 1, 3, 2), residual = normals(size, 2);
    const Floats gamma = normals(s.channels, 3), beta = normals(s.channels, 4);
    run_everywhere(
        {nans(size), x, nans(3 * s.channels), nans(s.channels), nans(s.channels), nans(s.channels),
         nans(s.channels)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          const float *g = ex.in(gamma), *b = ex.in(beta), *r = ex.in(residual);
          batch_norm_train(ex, s, ex.in(x), g, b, eps, momentum, r, Activation::relu, out[0],
                           out[3], out[4], nullptr, nullptr);
          batch_norm_statistics(ex, s, out[1], out[2]);
          batch_norm_factors(ex, s, out[2], g, b, eps, momentum, out[3], out[4], out[5], out[6],
                             nullptr, nullptr);
          batch_norm_apply(ex, s, out[1], out[3], out[5], out[6], r, Activation::relu, out[1]);
        },
        [](const std::vector<Floats>& out) { EXPECT_TRUE(same_bits(out[0], out[1])); });
  }
}

// Large results go past the caches where they begin at a line, and with ordinary stores elsewhere.
TEST(BatchNormSteps, LargeResultsFollowTheFormula) {
  constexpr std::size_t line = 16;
  ThreadPool pool(2);
  for (const std::int64_t channels : {16, 5}) {
    const BatchNormShape s{(std::int64_t{1} << 21) / channels + 3, channels};
    const auto count = index(s.rows * channels);
    const Floats x = normals(s.rows * channels, 1, 3, 2), mean = normals(channels, 2, 3, 1);
    const Floats scale = normals(channels, 3), shift = normals(channels, 4);
    Floats memory(count + 2 * line);
    const std::size_t to_line =
        (line - reinterpret_cast<std::uintptr_t>(memory.data()) / sizeof(float) % line) % line;
    for (const std::size_t from_line : {std::size_t{0}, std::size_t{1}}) {
      float* const y = memory.data() + to_line + from_line;
      std::fill(memory.begin(), memory.end(), std::nanf(""));
      batch_norm_apply({.pool = &pool}, s, x.data(), mean.data(), scale.data(), shift.data(),
                       nullptr, Activation::relu, y);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t c = i % index(channels);
        const double deviation = double{x[i]} - double{mean[c]};
        const double exact = std::max(0.0, deviation * scale[c] + shift[c]);
        const double size = std::abs(deviation * scale[c]) + std::abs(double{shift[c]});
        ASSERT_LE(std::abs(y[i] - exact), 4 * unit * size)
            << channels << " channels, element " << i;
      }
      ASSERT_TRUE(std::isnan(*(y + count))) << channels << " channels: written past the end";
    }
  }
}

TEST(BatchNormSteps, GradientSumsFollowTheirFormulas) {
  for (const BatchNormShape& s : shapes) {
    const std::int64_t size = s.rows * s.channels;
    const std::size_t k = index(s.channels);
    const Floats x = normals(size, 1, 0.5, 2), y = normals(size, 2), dy = normals(size, 3);
    const Floats mean = normals(s.channels, 4, 0.5, 0.1);
    run_everywhere(
        {nans(size), nans(2 * s.channels), dy, nans(2 * s.channels), nans(2 * s.channels)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          const float *a = ex.in(x), *m = ex.in(mean), *result = ex.in(y);
          batch_norm_gradient_sums(ex, s, a, result, m, ex.in(dy), out[0], out[1]);
          batch_norm_gradient_sums(ex, s, a, result, m, out[2], out[2], out[3]);
          batch_norm_gradient_sums(ex, s, a, nullptr, m, ex.in(dy), nullptr, out[4]);
        },
        [&](const std::vector<Floats>& out) {
          const auto expect_sums = [&](const Floats& sums, const Floats& g) {
            Doubles exact(2 * k, 0.0), sizes(2 * k, 0.0);
            for (std::size_t i = 0; i < g.size(); ++i) {
              const double product = g[i] * (double{x[i]} - mean[i % k]);
              exact[i % k] += g[i];
              exact[k + i % k] += product;
              sizes[i % k] += std::abs(double{g[i]});
              sizes[k + i % k] += std::abs(product);
            }
            expect_within(sums, exact, [&](std::size_t i) { return rounding * sizes[i]; });
          };
          Floats g = dy;
          for (std::size_t i = 0; i < g.size(); ++i) g[i] = y[i] > 0 ? dy[i] : 0.0f;
          EXPECT_TRUE(same_bits(out[0], g));
          EXPECT_TRUE(same_bits(out[2], g)) << "in place of dy";
          expect_sums(out[1], g);
          EXPECT_TRUE(same_bits(out[3], out[1]));
          expect_sums(out[4], dy);
        });
  }
}

TEST(BatchNormSteps, GradientFollowsTheOracle) {
  for (const BatchNormShape& s : shapes) {
    const std::int64_t size = s.rows * s.channels;
    const Floats x = normals(size, 1, 0.5, 2), g = normals(size, 2), before = normals(size, 3);
    const Floats mean = normals(s.channels, 4, 0.5, 0.1), gamma = normals(s.channels, 5);
    const Floats inv_std = normals(s.channels, 6, 0.6, 0.05);
    const std::size_t k = index(s.channels);
    oracle::Statistics statistics{widen(mean), Doubles(k)};
    for (std::size_t c = 0; c < k; ++c) {
      statistics.var[c] = 1 / (double{inv_std[c]} * inv_std[c]);
    }
    const auto exact = oracle::batch_norm_backward(widen(x), {}, statistics, widen(gamma), 0, false,
                                                   true, widen(g));
    Doubles on_beta(k, 0.0), on_gamma(k, 0.0);
    Floats sums(2 * k);
    for (std::size_t i = 0; i < x.size(); ++i) {
      on_beta[i % k] += std::abs(double{g[i]});
      on_gamma[i % k] += std::abs(g[i] * (double{x[i]} - mean[i % k]) * inv_std[i % k]);
    }
    for (std::size_t c = 0; c < k; ++c) {
      sums[c] = static_cast<float>(exact.dbeta[c]);
      sums[k + c] = static_cast<float>(exact.dgamma[c] / inv_std[c]);
    }
    run_everywhere(
        {nans(size), nans(s.channels), nans(s.channels), before, g,
         spread(before, s.channels, s.channels + 3, 7),
         spread(before, s.channels, s.channels + 4, 7)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          const auto gradient = [&](const float* of, Write write, float* dx) {
            batch_norm_gradient(ex, s, ex.in(x), ex.in(mean), ex.in(inv_std), ex.in(gamma), of,
                                ex.in(sums), write, dx, out[1], out[2]);
          };
          gradient(ex.in(g), Write::overwrite, out[0]);
          gradient(ex.in(g), Write::accumulate, out[3]);
          gradient(out[4], Write::overwrite, out[4]);
          for (const std::int64_t more : {3, 4}) {
            const std::int64_t pitch = s.channels + more;
            batch_norm_gradient(ex, s, ex.in(spread(x, s.channels, pitch, nan)), ex.in(mean),
                                ex.in(inv_std), ex.in(gamma), ex.in(g), ex.in(sums),
                                Write::accumulate, out[index(more + 2)], out[1], out[2], pitch);
          }
        },
        [&](const std::vector<Floats>& out) {
          const auto rows = static_cast<double>(s.rows);
          const auto on_dx = [&](std::size_t i) {
            const std::size_t c = i % k;
            const double xhat = std::abs((double{x[i]} - mean[c]) * inv_std[c]);
            const double parts =
                std::abs(double{g[i]}) + on_beta[c] / rows + xhat * on_gamma[c] / rows;
            return rounding * std::abs(double{gamma[c]} * inv_std[c]) * parts;
          };
          expect_within(out[0], exact.dx, on_dx);
          expect_within(out[1], exact.dgamma,
                        [&](std::size_t c) { return 4 * unit * std::abs(exact.dgamma[c]); });
          expect_within(out[2], exact.dbeta,
                        [&](std::size_t c) { return 4 * unit * std::abs(exact.dbeta[c]); });
          Doubles sum = exact.dx;
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += before[i];
          expect_within(out[3], sum, [&](std::size_t i) {
            return on_dx(i) + unit * (std::abs(sum[i]) + std::abs(before[i]));
          });
          EXPECT_TRUE(same_bits(out[4], out[0])) << "dx in place of g";
          for (const std::int64_t more : {3, 4}) {
            EXPECT_TRUE(
                same_bits(out[index(more + 2)], spread(out[3], s.channels, s.channels + more, 7)))
                << "into the first of " << more << " channels more";
          }
        });
  }
}

TEST(BatchNormSteps, RefuseEmptyExtents) {
  Floats a(4), b(4), c(4), d(4);
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const BatchNormShape s{0, 3};
    const char* part = "0 rows and 3 channels";
    EXPECT_SHAPE_ERROR(batch_norm_statistics(ex, s, a.data(), b.data()), part);
    EXPECT_SHAPE_ERROR(batch_norm_factors(ex, s, a.data(), a.data(), a.data(), eps, momentum,
                                          b.data(), b.data(), c.data(), d.data(), nullptr, nullptr),
                       part);
    EXPECT_SHAPE_ERROR(batch_norm_apply(ex, s, a.data(), a.data(), a.data(), a.data(), nullptr,
                                        Activation::none, b.data()),
                       part);
    EXPECT_SHAPE_ERROR(
        batch_norm_gradient_sums(ex, s, a.data(), nullptr, a.data(), a.data(), nullptr, b.data()),
        part);
    EXPECT_SHAPE_ERROR(
        batch_norm_gradient(ex, s, a.data(), a.data(), a.data(), a.data(), a.data(), a.data(),
                            Write::overwrite, b.data(), c.data(), d.data()),
        part);
    EXPECT_SHAPE_ERROR(
        batch_norm_gradient(ex, {1, 3}, a.data(), a.data(), a.data(), a.data(), a.data(), a.data(),
                            Write::accumulate, b.data(), c.data(), d.data(), 2),
        "3 channels of an array that has a pitch of 2");
  }
}

}  // namespace
}  // namespace trifold::kernels
