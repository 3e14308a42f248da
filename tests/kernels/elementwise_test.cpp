#include "kernels/elementwise.h"

#include <limits>
#include <numeric>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/elementwise.h"

namespace trifold::kernels {
namespace {

using namespace test;

const std::vector<std::int64_t> counts{0, 1, 2, 3, 5, 11, 13, 23, 45, 64, 1000, 40007};

TEST(Elementwise, ReluForwardInAndOutOfPlace) {
  for (const std::int64_t n : counts) {
    Floats x = integers(n, 1);
    const Doubles expected = oracle::relu_forward(widen(x));
    run_everywhere(
        {nans(n), x},
        [&](const Trial& ex, const std::vector<float*>& out) {
          relu_forward(ex, n, ex.in(x), out[0]);
          relu_forward(ex, n, out[1], out[1]);
        },
        [&](const std::vector<Floats>& y) {
          expect_equal(y[0], expected);
          expect_equal(y[1], expected);
        });
  }
}

TEST(Elementwise, ReluKeepsNaN) {
  const Floats x(19, nan);
  run_everywhere(
      {Floats(19, 0.0f)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        relu_forward(ex, 19, ex.in(x), out[0]);
      },
      [&](const std::vector<Floats>& y) {
        for (const float v : y[0]) EXPECT_TRUE(std::isnan(v));
      });
}

TEST(Elementwise, ReluBackward) {
  for (const std::int64_t n : counts) {
    const Floats y = integers(n, 2, 2), dy = normals(n, 3);
    const Doubles expected = oracle::relu_backward(widen(y), widen(dy));
    run_everywhere(
        {nans(n), dy},
        [&](const Trial& ex, const std::vector<float*>& out) {
          relu_backward(ex, n, ex.in(y), ex.in(dy), out[0]);
          relu_backward(ex, n, ex.in(y), out[1], out[1]);
        },
        [&](const std::vector<Floats>& dx) {
          expect_equal(dx[0], expected);
          expect_equal(dx[1], expected);
        });
  }
}

TEST(Elementwise, OracleReluBackwardIsTheDerivative) {
  const Doubles x{-2, -0.5, 0.25, 3}, dy{1, 2, 3, 4};
  const Doubles dx = oracle::relu_backward(oracle::relu_forward(x), dy);
  const auto f = [&](const Doubles& at) {
    const Doubles y = oracle::relu_forward(at);
    return y[0] * dy[0] + y[1] * dy[1] + y[2] * dy[2] + y[3] * dy[3];
  };
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(dx[i], finite_difference(f, x, i), 1e-8);
}

// Integers from -9 to 9 among others: below, between, beyond and exactly at both bounds.
Floats around_both_bounds(std::int64_t n, std::uint64_t seed) {
  Floats x = integers(n, seed, 9);
  for (std::size_t i = 0; i < x.size(); i += 3) x[i] += 0.25f;
  return x;
}

TEST(Elementwise, Relu6ForwardInAndOutOfPlace) {
  for (const std::int64_t n : counts) {
    const Floats x = around_both_bounds(n, 1);
    const Doubles expected = oracle::relu6_forward(widen(x));
    run_everywhere(
        {nans(n), x},
        [&](const Trial& ex, const std::vector<float*>& out) {
          relu6_forward(ex, n, ex.in(x), out[0]);
          relu6_forward(ex, n, out[1], out[1]);
        },
        [&](const std::vector<Floats>& y) {
          expect_equal(y[0], expected);
          expect_equal(y[1], expected);
        });
  }
}

TEST(Elementwise, Relu6KeepsNaNAndBoundsInfinity) {
  const float infinity = std::numeric_limits<float>::infinity();
  Floats x(40, nan);
  for (std::size_t i = 1; i < x.size(); i += 4) x[i] = infinity;
  for (std::size_t i = 2; i < x.size(); i += 4) x[i] = -infinity;
  run_everywhere(
      {nans(40)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        relu6_forward(ex, 40, ex.in(x), out[0]);
      },
      [&](const std::vector<Floats>& y) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          if (std::isnan(x[i])) {
            EXPECT_TRUE(std::isnan(y[0][i])) << i;
          } else {
            EXPECT_EQ(y[0][i], x[i] > 0 ? 6.0f : 0.0f) << i;
          }
        }
      });
}

TEST(Elementwise, Relu6Backward) {
  for (const std::int64_t n : counts) {
    const Floats y = around_both_bounds(n, 2), dy = normals(n, 3);
    const Doubles expected = oracle::relu6_backward(widen(y), widen(dy));
    run_everywhere(
        {nans(n), dy},
        [&](const Trial& ex, const std::vector<float*>& out) {
          relu6_backward(ex, n, ex.in(y), ex.in(dy), out[0]);
          relu6_backward(ex, n, ex.in(y), out[1], out[1]);
        },
        [&](const std::vector<Floats>& dx) {
          expect_equal(dx[0], expected);
          expect_equal(dx[1], expected);
        });
  }
}

// As PyTorch's hardtanh: no gradient at the bounds themselves.
TEST(Elementwise, Relu6HasNoGradientAtItsBounds) {
  const Floats x{-1, -0.0f, 0, 1e-30f, 5.9999995f, 6, 6.0000005f, 7}, dy(8, 2);
  run_everywhere(
      {nans(8), nans(8)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        relu6_forward(ex, 8, ex.in(x), out[0]);
        relu6_backward(ex, 8, out[0], ex.in(dy), out[1]);
      },
      [&](const std::vector<Floats>& out) {
        expect_equal(out[1], Doubles{0, 0, 0, 2, 2, 0, 0, 0});
      });
}

TEST(Elementwise, OracleRelu6BackwardIsTheDerivative) {
  const Doubles x{-2, -0.5, 0.25, 3, 5.75, 6.5}, dy{1, 2, 3, 4, 5, 6};
  const Doubles dx = oracle::relu6_backward(oracle::relu6_forward(x), dy);
  const auto f = [&](const Doubles& at) {
    const Doubles y = oracle::relu6_forward(at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(dx[i], finite_difference(f, x, i), 1e-8);
}

TEST(Elementwise, AddScaleFill) {
  for (const std::int64_t n : counts) {
    const Floats a = integers(n, 4), b = integers(n, 5);
    Doubles sum(index(n)), scaled(index(n));
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] = static_cast<double>(a[i]) + b[i];
      scaled[i] = -1.5 * a[i];
    }
    run_everywhere(
        {nans(n), a, b, nans(n), a, nans(n)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          add(ex, n, ex.in(a), ex.in(b), out[0]);
          add(ex, n, out[1], ex.in(b), out[1]);
          add(ex, n, ex.in(a), out[2], out[2]);
          scale(ex, n, -1.5f, ex.in(a), out[3]);
          scale(ex, n, -1.5f, out[4], out[4]);
          fill(ex, n, 0.75f, out[5]);
        },
        [&](const std::vector<Floats>& y) {
          for (const std::size_t i : {0u, 1u, 2u}) expect_equal(y[i], sum);
          for (const std::size_t i : {3u, 4u}) expect_equal(y[i], scaled);
          expect_equal(y[5], Doubles(index(n), 0.75));
        });
  }
}

TEST(Elementwise, ScaleByAFactorInMemory) {
  for (const std::int64_t n : counts) {
    const Floats a = integers(n, 6), factor{-2.5f};
    Doubles scaled(index(n));
    for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] = -2.5 * a[i];
    run_everywhere(
        {nans(n), a},
        [&](const Trial& ex, const std::vector<float*>& out) {
          scale_by(ex, n, ex.in(factor), ex.in(a), out[0]);
          scale_by(ex, n, ex.in(factor), out[1], out[1]);
        },
        [&](const std::vector<Floats>& y) {
          expect_equal(y[0], scaled);
          expect_equal(y[1], scaled);
        });
  }
}

TEST(Elementwise, RefusesMoreThanAGridCanCount) {
  for (const Device device : devices()) {
    if (device.kind == DeviceKind::cpu) continue;
    EXPECT_SHAPE_ERROR(fill({.device = device}, std::int64_t{1} << 45, 0, nullptr), "2^31");
  }
}

TEST(Elementwise, MeanStaysInItsBound) {
  for (const std::int64_t n : {1, 2, 3, 31, 128, 257, 1000, 40007}) {
    const Floats x = normals(n, 7, 1e3, 10);
    double sum = 0;
    for (const float v : x) sum += v;
    const double exact = sum / static_cast<double>(n);
    run_everywhere(
        {nans(1)},
        [&](const Trial& ex, const std::vector<float*>& out) { mean(ex, n, ex.in(x), out[0]); },
        [&](const std::vector<Floats>& y) { EXPECT_NEAR(y[0][0], exact, 2 * unit * exact); });
  }
  for (const Device device : devices()) {
    EXPECT_SHAPE_ERROR(mean({.device = device}, 0, nullptr, nullptr), "mean of 0 numbers");
  }
}

// One float after a 16-byte boundary, where a GPU can't take four at a time.
TEST(Elementwise, TakesArraysAtAnyAddress) {
  constexpr std::int64_t n = 1000;
  const Floats a = integers(n + 1, 1), b = integers(n + 1, 2), factor{3};
  const auto rest = [](const Floats& values) { return widen({values.begin() + 1, values.end()}); };
  const Doubles x = rest(a), y = rest(b);
  const auto each = [&](auto f) {
    Doubles result;
    for (std::size_t i = 0; i < x.size(); ++i) result.push_back(f(x[i], y[i]));
    return result;
  };
  run_everywhere(
      std::vector<Floats>(8, nans(n + 1)),
      [&](const Trial& ex, const std::vector<float*>& out) {
        const float *from = ex.in(a) + 1, *other = ex.in(b) + 1;
        relu_forward(ex, n, from, out[0] + 1);
        relu_backward(ex, n, from, other, out[1] + 1);
        add(ex, n, from, other, out[2] + 1);
        fill(ex, n, 7, out[3] + 1);
        scale(ex, n, 2, from, out[4] + 1);
        scale_by(ex, n, ex.in(factor), from, out[5] + 1);
        relu6_forward(ex, n, from, out[6] + 1);
        relu6_backward(ex, n, from, other, out[7] + 1);
      },
      [&](const std::vector<Floats>& out) {
        expect_equal({out[0].begin() + 1, out[0].end()},
                     each([](double v, double) { return std::max(v, 0.0); }));
        expect_equal({out[1].begin() + 1, out[1].end()},
                     each([](double v, double g) { return v > 0 ? g : 0; }));
        expect_equal({out[2].begin() + 1, out[2].end()},
                     each([](double v, double w) { return v + w; }));
        expect_equal({out[3].begin() + 1, out[3].end()}, each([](double, double) { return 7; }));
        expect_equal({out[4].begin() + 1, out[4].end()},
                     each([](double v, double) { return 2 * v; }));
        expect_equal({out[5].begin() + 1, out[5].end()},
                     each([](double v, double) { return 3 * v; }));
        expect_equal({out[6].begin() + 1, out[6].end()}, oracle::relu6_forward(x));
        expect_equal({out[7].begin() + 1, out[7].end()}, oracle::relu6_backward(x, y));
        for (const Floats& values : out) EXPECT_TRUE(std::isnan(values[0]));
      });
}

}  // namespace
}  // namespace trifold::kernels
