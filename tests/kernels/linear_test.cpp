#include "kernels/linear.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/linear.h"

namespace trifold::kernels {
namespace {

using namespace test;

/// |actual - exact| <= (terms + 2) 2^-24 sum |a||b|.
void expect_product(const Floats& actual, const oracle::Product& exact, std::int64_t terms) {
  expect_within(actual, exact.value, [&](std::size_t i) {
    return static_cast<double>(terms + 2) * unit * exact.magnitude[i];
  });
}

TEST(Linear, ForwardAndBackwardStayInBound) {
  for (const LinearShape& s :
       {LinearShape{1, 1, 1}, LinearShape{128, 64, 10}, LinearShape{7, 45, 100},
        LinearShape{300, 23, 13}, LinearShape{300, 24, 12}}) {
    SCOPED_TRACE(s.in);
    const Floats x = normals(s.n * s.in, 1), w = normals(s.in * s.out, 2), b = normals(s.out, 3);
    const Floats dy = normals(s.n * s.out, 4), ones(index(s.n), 1.0f);
    oracle::Product y = oracle::multiply(s.n, s.in, s.out, x, false, w, false);
    for (std::size_t i = 0; i < y.value.size(); ++i) {
      const double bias = b[i % b.size()];
      y.value[i] += bias;
      y.magnitude[i] += std::abs(bias);
    }
    const auto dx = oracle::multiply(s.n, s.out, s.in, dy, false, w, true);
    const auto dw = oracle::multiply(s.in, s.n, s.out, x, true, dy, false);
    const auto db = oracle::multiply(1, s.n, s.out, ones, false, dy, false);
    run_everywhere(
        {nans(s.n * s.out), nans(s.n * s.in), nans(s.in * s.out), nans(s.out)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          linear_forward(ex, s, ex.in(x), ex.in(w), ex.in(b), out[0]);
          linear_backward_data(ex, s, ex.in(dy), ex.in(w), out[1]);
          linear_backward_weight(ex, s, ex.in(x), ex.in(dy), out[2], out[3]);
        },
        [&](const std::vector<Floats>& out) {
          expect_product(out[0], y, s.in);
          expect_product(out[1], dx, s.out);
          expect_product(out[2], dw, s.n);
          expect_product(out[3], db, s.n);
        });
  }
}

TEST(Linear, BiasMayBeNull) {
  const LinearShape s{5, 37, 11};
  const Floats x = integers(s.n * s.in, 1), w = integers(s.in * s.out, 2);
  const Floats dy = integers(s.n * s.out, 3);
  const auto y = oracle::multiply(s.n, s.in, s.out, x, false, w, false);
  const auto dw = oracle::multiply(s.in, s.n, s.out, x, true, dy, false);
  run_everywhere(
      {nans(s.n * s.out), nans(s.in * s.out)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        linear_forward(ex, s, ex.in(x), ex.in(w), nullptr, out[0]);
        linear_backward_weight(ex, s, ex.in(x), ex.in(dy), out[1], nullptr);
      },
      [&](const std::vector<Floats>& out) {
        expect_equal(out[0], y.value);
        expect_equal(out[1], dw.value);
      });
}

TEST(Linear, RefusesEmptyExtents) {
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    for (const LinearShape& s :
         {LinearShape{0, 1, 1}, LinearShape{1, 0, 1}, LinearShape{1, 1, 0}}) {
      EXPECT_THROW(linear_forward(ex, s, nullptr, nullptr, nullptr, nullptr), ShapeError);
      EXPECT_THROW(linear_backward_data(ex, s, nullptr, nullptr, nullptr), ShapeError);
      EXPECT_THROW(linear_backward_weight(ex, s, nullptr, nullptr, nullptr, nullptr), ShapeError);
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
