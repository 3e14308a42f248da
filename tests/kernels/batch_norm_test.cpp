#include "kernels/batch_norm.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/batch_norm.h"

namespace trifold::kernels {
namespace {

using namespace test;

constexpr float eps = 1e-5f;
constexpr double rounding = 64 * unit;  // what a block's sums and a few operations may lose

/// Several blocks, rows that do not fill a group, channels that are no multiple of the lanes.
const std::vector<BatchNormShape> shapes{{1, 1},     {2, 1},    {7, 5},    {9001, 5},
                                         {40000, 1}, {333, 13}, {600, 64}, {1500, 12},
                                         {97, 45},   {150, 23}, {70, 257}, {130, 512}};

struct Arrays {
  Floats x, residual, gamma, beta, dy, relu_y;

  Arrays(const BatchNormShape& s, double mean, double std)
      : x(normals(s.rows * s.channels, 1, mean, std)),
        residual(normals(s.rows * s.channels, 2)),
        gamma(normals(s.channels, 3, 1, 0.5)),
        beta(normals(s.channels, 4)),
        dy(normals(s.rows * s.channels, 5)),
        relu_y(normals(s.rows * s.channels, 6)) {}
};

/// The sum of the sizes of what an output element is made of.
double output_size(const Arrays& a, const oracle::Statistics& statistics, std::size_t i) {
  const std::size_t c = i % a.gamma.size();
  const double inv_std = 1 / std::sqrt(statistics.var[c] + static_cast<double>(eps));
  return std::abs(a.gamma[c] * (a.x[i] - statistics.mean[c]) * inv_std) + std::abs(a.gamma[c]) +
         std::abs(a.beta[c]) + std::abs(a.residual[i]);
}

void expect_train(const BatchNormShape& s, const Arrays& a, bool residual, Activation act) {
  const auto statistics = oracle::batch_statistics(s.channels, widen(a.x));
  const double e = eps;
  const Doubles y =
      oracle::batch_norm(widen(a.x), statistics, widen(a.gamma), widen(a.beta), e,
                         residual ? widen(a.residual) : Doubles{}, act == Activation::relu);
  Doubles inv_std, running_mean, running_var;
  const double bessel = s.rows > 1 ? s.rows / (s.rows - 1.0) : 1.0;
  for (std::size_t c = 0; c < statistics.mean.size(); ++c) {
    inv_std.push_back(1 / std::sqrt(statistics.var[c] + e));
    running_mean.push_back(0.75 * 2 + 0.25 * statistics.mean[c]);
    running_var.push_back(0.75 * 3 + 0.25 * statistics.var[c] * bessel);
  }
  const std::int64_t count = s.rows * s.channels;
  run_everywhere(
      {nans(count), nans(s.channels), nans(s.channels), Floats(index(s.channels), 2.0f),
       Floats(index(s.channels), 3.0f), residual ? a.residual : a.x},
      [&](const Trial& ex, const std::vector<float*>& out) {
        batch_norm_train(ex, s, ex.in(a.x), ex.in(a.gamma), ex.in(a.beta), eps, 0.25f,
                         residual ? ex.in(a.residual) : nullptr, act, out[0], out[1], out[2],
                         out[3], out[4]);
        // In place of the residual or of x, without running statistics.
        batch_norm_train(ex, s, residual ? ex.in(a.x) : out[5], ex.in(a.gamma), ex.in(a.beta), eps,
                         0.25f, residual ? out[5] : nullptr, act, out[5], out[1], out[2], nullptr,
                         nullptr);
      },
      [&](const std::vector<Floats>& out) {
        const auto bound = [&](std::size_t i) { return rounding * output_size(a, statistics, i); };
        expect_within(out[0], y, bound);
        EXPECT_TRUE(same_bits(out[0], out[5]));
        expect_within(out[1], statistics.mean, [&](std::size_t c) {
          return unit * std::abs(statistics.mean[c]) + rounding * std::sqrt(statistics.var[c]);
        });
        expect_within(out[2], inv_std, [&](std::size_t c) { return rounding * inv_std[c]; });
        expect_within(out[3], running_mean, [&](std::size_t c) {
          return 2 * unit * std::abs(running_mean[c]) + rounding * std::sqrt(statistics.var[c]);
        });
        expect_within(out[4], running_var,
                      [&](std::size_t c) { return rounding * running_var[c]; });
      });
}

TEST(BatchNorm, TrainFollowsTheOracle) {
  for (const BatchNormShape& s : shapes) {
    const Arrays a(s, 0.5, 2);
    for (const Activation act : {Activation::none, Activation::relu}) {
      expect_train(s, a, false, act);
      expect_train(s, a, true, act);
    }
  }
}

TEST(BatchNorm, LargeMeansDoNoHarm) {
  for (const BatchNormShape& s : {BatchNormShape{9001, 5}, {600, 64}, {40000, 1}}) {
    Arrays a(s, 1e3, 1);
    expect_train(s, a, false, Activation::none);
    std::fill_n(a.x.begin(), s.channels, 0.0f);  // nor does a first row far from the mean
    expect_train(s, a, false, Activation::none);
  }
}

TEST(BatchNorm, ConstantChannelHasNoVariance) {
  const BatchNormShape s{5000, 3};
  const Floats x(index(s.rows * s.channels), 123.4f), gamma{1, 2, 3}, beta{-1, 0, 1};
  run_everywhere(
      {nans(s.rows * s.channels), nans(3), nans(3)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        batch_norm_train(ex, s, ex.in(x), ex.in(gamma), ex.in(beta), eps, 0.1f, nullptr,
                         Activation::none, out[0], out[1], out[2], nullptr, nullptr);
      },
      [&](const std::vector<Floats>& out) {
        for (std::size_t i = 0; i < out[0].size(); ++i) {
          ASSERT_NEAR(out[0][i], beta[i % 3], 1e-3);
        }
        for (const float v : out[2]) EXPECT_NEAR(v, 1 / std::sqrt(1e-5), 1e-2);
      });
}

TEST(BatchNorm, EvalFollowsTheOracle) {
  for (const BatchNormShape& s : shapes) {
    const Arrays a(s, 0.5, 2);
    const Floats mean = normals(s.channels, 7);
    Floats var = normals(s.channels, 8);
    for (float& v : var) v = v * v + 0.1f;
    const oracle::Statistics statistics{widen(mean), widen(var)};
    for (const Activation act : {Activation::none, Activation::relu}) {
      for (const bool residual : {false, true}) {
        const Doubles y =
            oracle::batch_norm(widen(a.x), statistics, widen(a.gamma), widen(a.beta), eps,
                               residual ? widen(a.residual) : Doubles{}, act == Activation::relu);
        run_everywhere(
            {nans(s.rows * s.channels), a.x, a.residual},
            [&](const Trial& ex, const std::vector<float*>& out) {
              const auto eval = [&](const float* x, const float* r, float* to) {
                batch_norm_eval(ex, s, x, ex.in(a.gamma), ex.in(a.beta), ex.in(mean), ex.in(var),
                                eps, residual ? r : nullptr, act, to);
              };
              eval(ex.in(a.x), ex.in(a.residual), out[0]);
              eval(out[1], ex.in(a.residual), out[1]);
              eval(ex.in(a.x), out[2], out[2]);
            },
            [&](const std::vector<Floats>& out) {
              expect_within(out[0], y, [&](std::size_t i) {
                return 8 * unit * output_size(a, statistics, i);
              });
              EXPECT_TRUE(same_bits(out[0], out[1]));
              EXPECT_TRUE(same_bits(out[0], out[2]));
            });
      }
    }
  }
}

/// Bounds of the gradients: the same sums with all terms' sizes.
struct GradientSizes {
  Doubles on_gamma, on_beta;
};

GradientSizes gradient_sizes(const Arrays& a, const oracle::Statistics& statistics) {
  const std::size_t k = a.gamma.size();
  GradientSizes sizes{Doubles(k), Doubles(k)};
  for (std::size_t i = 0; i < a.x.size(); ++i) {
    const double xhat = (a.x[i] - statistics.mean[i % k]) /
                        std::sqrt(statistics.var[i % k] + static_cast<double>(eps));
    sizes.on_gamma[i % k] += std::abs(a.dy[i] * xhat);
    sizes.on_beta[i % k] += std::abs(static_cast<double>(a.dy[i]));
  }
  return sizes;
}

void expect_backward(const BatchNormShape& s, const Arrays& a, Activation act, bool batch) {
  const Floats mean = normals(s.channels, 7, 0.5, 0.1);
  Floats inv_std = normals(s.channels, 8, 0.6, 0.05), var = inv_std;
  oracle::Statistics statistics{widen(mean), widen(var)};
  for (std::size_t c = 0; c < var.size(); ++c) {
    var[c] = inv_std[c];  // for eval: any positive number is a variance
    statistics.var[c] =
        batch ? 1 / (static_cast<double>(inv_std[c]) * inv_std[c]) - static_cast<double>(eps)
              : var[c];
  }
  const bool relu = act == Activation::relu;
  const auto exact = oracle::batch_norm_backward(widen(a.x), widen(a.relu_y), statistics,
                                                 widen(a.gamma), eps, relu, batch, widen(a.dy));
  const GradientSizes sizes = gradient_sizes(a, statistics);
  const std::int64_t count = s.rows * s.channels;
  run_everywhere(
      {nans(count), nans(s.channels), nans(s.channels), nans(count), a.dy, nans(count), a.dy},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const auto backward = [&](const float* dy, float* dx, float* dresidual) {
          const float* y = relu ? ex.in(a.relu_y) : nullptr;
          if (batch) {
            batch_norm_backward(ex, s, ex.in(a.x), y, ex.in(mean), ex.in(inv_std), ex.in(a.gamma),
                                act, dy, dx, out[1], out[2], dresidual);
          } else {
            batch_norm_eval_backward(ex, s, ex.in(a.x), y, ex.in(mean), ex.in(var), eps,
                                     ex.in(a.gamma), act, dy, dx, out[1], out[2], dresidual);
          }
        };
        backward(ex.in(a.dy), out[0], out[3]);
        backward(out[4], out[4], nullptr);  // dx in place of dy
        backward(out[6], out[5], out[6]);   // dresidual in place of dy
      },
      [&](const std::vector<Floats>& out) {
        const auto rows = static_cast<double>(s.rows);
        const auto on_dx = [&](std::size_t i) {
          const std::size_t c = i % a.gamma.size();
          const double inv = 1 / std::sqrt(statistics.var[c] + static_cast<double>(eps));
          const double xhat = std::abs((a.x[i] - statistics.mean[c]) * inv);
          double size = std::abs(static_cast<double>(a.dy[i]));
          if (batch) size += sizes.on_beta[c] / rows + xhat * sizes.on_gamma[c] / rows;
          return rounding * std::abs(a.gamma[c] * inv) * size;
        };
        expect_within(out[0], exact.dx, on_dx);
        expect_within(out[1], exact.dgamma,
                      [&](std::size_t c) { return rounding * sizes.on_gamma[c]; });
        expect_within(out[2], exact.dbeta,
                      [&](std::size_t c) { return rounding * sizes.on_beta[c]; });
        expect_equal(out[3], exact.dresidual);
        EXPECT_TRUE(same_bits(out[0], out[4]));
        EXPECT_TRUE(same_bits(out[0], out[5]));
        EXPECT_TRUE(same_bits(out[3], out[6]));
      });
}

TEST(BatchNorm, BackwardFollowsTheOracle) {
  for (const BatchNormShape& s : shapes) {
    const Arrays a(s, 0.5, 2);
    for (const Activation act : {Activation::none, Activation::relu}) {
      expect_backward(s, a, act, true);
    }
  }
}

TEST(BatchNorm, EvalBackwardFollowsTheOracle) {
  for (const BatchNormShape& s : shapes) {
    const Arrays a(s, 0.5, 2);
    for (const Activation act : {Activation::none, Activation::relu}) {
      expect_backward(s, a, act, false);
    }
  }
}

TEST(BatchNorm, OracleBackwardIsTheDerivative) {
  const Doubles x = widen(normals(30, 1)), residual = widen(normals(30, 2)),
                dy = widen(normals(30, 3));
  const Doubles gamma{1.5, -0.5, 2}, beta{0.1, -0.2, 0.3};
  for (const bool batch : {false, true}) {
    const oracle::Statistics fixed{{0.1, -0.1, 0.2}, {0.8, 1.1, 1.4}};
    const auto loss = [&](const Doubles& at, const Doubles& g, const Doubles& b, const Doubles& r) {
      const auto statistics = batch ? oracle::batch_statistics(3, at) : fixed;
      const Doubles y = oracle::batch_norm(at, statistics, g, b, eps, r, true);
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    };
    const auto statistics = batch ? oracle::batch_statistics(3, x) : fixed;
    const Doubles y = oracle::batch_norm(x, statistics, gamma, beta, eps, residual, true);
    const auto exact = oracle::batch_norm_backward(x, y, statistics, gamma, eps, true, batch, dy);
    const auto of_x = [&](const Doubles& v) { return loss(v, gamma, beta, residual); };
    const auto of_residual = [&](const Doubles& v) { return loss(x, gamma, beta, v); };
    const auto of_gamma = [&](const Doubles& v) { return loss(x, v, beta, residual); };
    const auto of_beta = [&](const Doubles& v) { return loss(x, gamma, v, residual); };
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(exact.dx[i], finite_difference(of_x, x, i), 1e-7);
      EXPECT_NEAR(exact.dresidual[i], finite_difference(of_residual, residual, i), 1e-7);
    }
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(exact.dgamma[c], finite_difference(of_gamma, gamma, c), 1e-7);
      EXPECT_NEAR(exact.dbeta[c], finite_difference(of_beta, beta, c), 1e-7);
    }
  }
}

TEST(BatchNorm, RefusesEmptyExtents) {
  Floats a(4), b(4), c(4), d(4);
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    for (const BatchNormShape& s : {BatchNormShape{0, 3}, {3, 0}}) {
      const char* part = s.rows == 0 ? "0 rows and 3 channels" : "3 rows and 0 channels";
      const Activation act = Activation::none;
      EXPECT_SHAPE_ERROR(batch_norm_train(ex, s, a.data(), a.data(), a.data(), eps, 0.1f, nullptr,
                                          act, b.data(), c.data(), d.data(), nullptr, nullptr),
                         part);
      EXPECT_SHAPE_ERROR(batch_norm_eval(ex, s, a.data(), a.data(), a.data(), a.data(), a.data(),
                                         eps, nullptr, act, b.data()),
                         part);
      EXPECT_SHAPE_ERROR(batch_norm_backward(ex, s, a.data(), nullptr, a.data(), a.data(), a.data(),
                                             act, a.data(), b.data(), c.data(), d.data(), nullptr),
                         part);
      EXPECT_SHAPE_ERROR(
          batch_norm_eval_backward(ex, s, a.data(), nullptr, a.data(), a.data(), eps, a.data(), act,
                                   a.data(), b.data(), c.data(), d.data(), nullptr),
          part);
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
