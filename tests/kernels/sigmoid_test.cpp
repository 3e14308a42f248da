#include "kernels/sigmoid.h"

#include <numeric>

#include "tests/kernels/support_ops.h"
#include "tests/oracle/sigmoid.h"

namespace trifold::kernels {
namespace {

using namespace test;

struct Named {
  const char* name;
  SigmoidKind kind;
  oracle::Sigmoid exact;

  bool is_piecewise() const {
    return kind == SigmoidKind::hard_sigmoid || kind == SigmoidKind::hard_swish;
  }
};

class Sigmoid : public testing::TestWithParam<Named> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, Sigmoid,
    testing::Values(Named{"sigmoid", SigmoidKind::sigmoid, oracle::Sigmoid::sigmoid},
                    Named{"silu", SigmoidKind::silu, oracle::Sigmoid::silu},
                    Named{"hard_sigmoid", SigmoidKind::hard_sigmoid, oracle::Sigmoid::hard_sigmoid},
                    Named{"hard_swish", SigmoidKind::hard_swish, oracle::Sigmoid::hard_swish}),
    [](const auto& kind) { return kind.param.name; });

// Small and large values of both signs, the bends of the piecewise functions, and where an
// exponential ends.
Floats everywhere(std::int64_t count, std::uint64_t seed) {
  Floats x = normals(count, seed, 0, 3);
  const Floats special{0,   -0.0f, 3,   -3,    1e-30f, -1e-30f, 1e-6f, -1.2784645f, 17,   -17,
                       -50, 87,    -87, -88.5, 104,    -104,    -110,  1e4f,        -1e4f};
  for (std::size_t i = 0; i < x.size(); i += 2) x[i] = special[i / 2 % special.size()];
  return x;
}

// What kernels/sigmoid.h promises.
double forward_bound(const Named& named, double x, double exact) {
  if (!named.is_piecewise()) return 8 * unit * std::abs(exact) + 0x1p-118;
  const double factor = named.kind == SigmoidKind::hard_swish ? std::abs(x) : 1;
  return 8 * unit * (std::abs(x) + 3) / 6 * factor;
}

double backward_bound(const Named& named, double x, double dy) {
  const double size = named.kind == SigmoidKind::sigmoid ? 1 : 1 + std::abs(x);
  return 16 * unit * size * std::abs(dy);
}

TEST_P(Sigmoid, ForwardStaysInItsBound) {
  for (const std::int64_t n : {0, 1, 3, 31, 128, 257, 40007}) {
    const Floats x = everywhere(n, 1);
    const Doubles exact = oracle::sigmoid_forward(GetParam().exact, widen(x));
    run_everywhere(
        {nans(n), x},
        [&](const Trial& ex, const std::vector<float*>& out) {
          sigmoid_forward(ex, GetParam().kind, n, ex.in(x), out[0]);
          sigmoid_forward(ex, GetParam().kind, n, out[1], out[1]);
        },
        [&](const std::vector<Floats>& y) {
          for (const Floats& values : y) {
            expect_within(values, exact,
                          [&](std::size_t i) { return forward_bound(GetParam(), x[i], exact[i]); });
          }
        });
  }
}

TEST_P(Sigmoid, BackwardStaysInItsBound) {
  for (const std::int64_t n : {0, 1, 3, 31, 128, 257, 40007}) {
    const Floats x = everywhere(n, 2), dy = normals(n, 3);
    const Doubles exact = oracle::sigmoid_backward(GetParam().exact, widen(x), widen(dy));
    run_everywhere(
        {nans(n), dy, x},
        [&](const Trial& ex, const std::vector<float*>& out) {
          sigmoid_backward(ex, GetParam().kind, n, ex.in(x), ex.in(dy), out[0]);
          sigmoid_backward(ex, GetParam().kind, n, ex.in(x), out[1], out[1]);
          sigmoid_backward(ex, GetParam().kind, n, out[2], ex.in(dy), out[2]);
        },
        [&](const std::vector<Floats>& dx) {
          for (const Floats& values : dx) {
            expect_within(values, exact,
                          [&](std::size_t i) { return backward_bound(GetParam(), x[i], dy[i]); });
          }
        });
  }
}

TEST_P(Sigmoid, KeepsNaN) {
  const Floats x = nans(40), dy(40, 1);
  run_everywhere(
      {Floats(40, 0), Floats(40, 0)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        sigmoid_forward(ex, GetParam().kind, 40, ex.in(x), out[0]);
        sigmoid_backward(ex, GetParam().kind, 40, ex.in(x), ex.in(dy), out[1]);
      },
      [&](const std::vector<Floats>& out) {
        for (std::size_t i = 0; i < 40; ++i) {
          EXPECT_TRUE(std::isnan(out[0][i])) << i;
          EXPECT_TRUE(std::isnan(out[1][i])) << i;
        }
      });
}

// One float after a 16-byte boundary, where a GPU can't take four at a time.
TEST_P(Sigmoid, TakesArraysAtAnyAddress) {
  constexpr std::int64_t n = 1000;
  const Floats x = everywhere(n + 1, 4), dy = normals(n + 1, 5);
  const Doubles y = oracle::sigmoid_forward(GetParam().exact, widen(x)),
                dx = oracle::sigmoid_backward(GetParam().exact, widen(x), widen(dy));
  run_everywhere(
      {nans(n + 1), nans(n + 1)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const float* from = ex.in(x) + 1;
        sigmoid_forward(ex, GetParam().kind, n, from, out[0] + 1);
        sigmoid_backward(ex, GetParam().kind, n, from, ex.in(dy) + 1, out[1] + 1);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_TRUE(std::isnan(out[0][0]) && std::isnan(out[1][0]));
        expect_within({out[0].begin() + 1, out[0].end()}, {y.begin() + 1, y.end()},
                      [&](std::size_t i) { return forward_bound(GetParam(), x[i + 1], y[i + 1]); });
        expect_within(
            {out[1].begin() + 1, out[1].end()}, {dx.begin() + 1, dx.end()},
            [&](std::size_t i) { return backward_bound(GetParam(), x[i + 1], dy[i + 1]); });
      });
}

TEST_P(Sigmoid, OracleBackwardIsTheDerivative) {
  Doubles x;
  for (double v = -8.03; v < 8; v += 0.37) x.push_back(v);
  const Doubles dy = widen(normals(std::ssize(x), 6));
  const auto f = [&](const Doubles& at) {
    const Doubles y = oracle::sigmoid_forward(GetParam().exact, at);
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  const Doubles dx = oracle::sigmoid_backward(GetParam().exact, x, dy);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(dx[i], finite_difference(f, x, i), 1e-8);
}

// By hand, so that oracle and kernels can't be wrong alike.
TEST(SigmoidValues, AreThePublishedOnes) {
  const Floats x{-4, -1, 0, 1, 4};
  run_everywhere(
      {nans(5), nans(5), nans(5), nans(5)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        sigmoid_forward(ex, SigmoidKind::sigmoid, 5, ex.in(x), out[0]);
        sigmoid_forward(ex, SigmoidKind::silu, 5, ex.in(x), out[1]);
        sigmoid_forward(ex, SigmoidKind::hard_sigmoid, 5, ex.in(x), out[2]);
        sigmoid_forward(ex, SigmoidKind::hard_swish, 5, ex.in(x), out[3]);
      },
      [&](const std::vector<Floats>& y) {
        const auto near = [](std::size_t) { return 1e-6; };
        expect_within(y[0], {0.0179862, 0.2689414, 0.5, 0.7310586, 0.9820138}, near);
        expect_within(y[1], {-0.0719448, -0.2689414, 0, 0.7310586, 3.9280552}, near);
        expect_within(y[2], {0, 1.0 / 3, 0.5, 2.0 / 3, 1}, near);
        expect_within(y[3], {0, -1.0 / 3, 0, 2.0 / 3, 4}, near);
      });
}

}  // namespace
}  // namespace trifold::kernels
