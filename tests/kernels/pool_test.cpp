#include "kernels/pool.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/pool.h"

namespace trifold::kernels {
namespace {

using namespace test;

oracle::Pool to_oracle(const PoolShape& s) {
  return {s.n, s.h, s.w, s.c, s.r, s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w};
}

std::int64_t inputs(const PoolShape& s) { return s.n * s.h * s.w * s.c; }
std::int64_t outputs(const PoolShape& s) { return s.n * s.p() * s.q() * s.c; }

const std::vector<PoolShape> shapes{
    {1, 1, 1, 1, 1, 1, 1, 1},          {2, 7, 7, 5, 3, 3, 2, 2, 1, 1},
    {1, 13, 11, 23, 2, 3, 2, 1, 0, 1}, {2, 8, 8, 45, 2, 2, 2, 2},
    {3, 5, 7, 1, 2, 2, 3, 3},          {1, 23, 23, 64, 3, 3, 2, 2, 1, 1},
    {2, 6, 5, 13, 5, 4, 1, 2, 2, 2},   {2, 4, 4, 11, 4, 4, 4, 4},
    {1, 3, 3, 3, 2, 2, 5, 5, 1, 1}};

/// max_pool_forward into floats; pixels are few enough to be exact.
void max_pool(const Trial& ex, const PoolShape& s, const Floats& x, float* y, float* argmax) {
  const DeviceArray<std::int32_t> where(ex.device,
                                        std::vector<std::int32_t>(index(outputs(s)), -1));
  max_pool_forward(ex, s, ex.in(x), y, where.data());
  ASSERT_TRUE(where.intact());
  const auto values = where.values();
  const Floats as_floats(values.begin(), values.end());
  copy_memory(ex.device, argmax, Device{}, as_floats.data(), 4 * outputs(s));
}

TEST(MaxPool, FollowsTheOracle) {
  for (const PoolShape& s : shapes) {
    const Floats x = integers(inputs(s), 1, 3), dy = integers(outputs(s), 2);  // many equals
    const oracle::MaxPool exact = oracle::max_pool_forward(to_oracle(s), widen(x));
    const Doubles argmax(exact.argmax.begin(), exact.argmax.end());
    const std::vector<std::int32_t> won(exact.argmax.begin(), exact.argmax.end());
    const Doubles dx = oracle::max_pool_backward(to_oracle(s), widen(dy), exact.argmax);
    run_everywhere(
        {nans(outputs(s)), nans(outputs(s)), nans(outputs(s)), nans(inputs(s))},
        [&](const Trial& ex, const std::vector<float*>& out) {
          max_pool(ex, s, x, out[0], out[1]);
          max_pool_forward(ex, s, ex.in(x), out[2], nullptr);
          max_pool_backward(ex, s, ex.in(dy), ex.in(won), out[3]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], exact.y);
          expect_equal(out[1], argmax);
          expect_equal(out[2], exact.y);
          expect_equal(out[3], dx);
        });
  }
}

TEST(MaxPool, NaNWinsAndPaddingNever) {
  const PoolShape s{1, 2, 2, 1, 2, 2, 1, 1, 1, 1};
  const Floats x{-5, nan, -3, nan};
  run_everywhere(
      {nans(9), nans(9)},
      [&](const Trial& ex, const std::vector<float*>& out) { max_pool(ex, s, x, out[0], out[1]); },
      [&](const std::vector<Floats>& out) {
        expect_equal(out[1], {0, 1, 1, 2, 1, 1, 2, 3, 3});
        EXPECT_EQ(out[0][0], -5);
        EXPECT_TRUE(std::isnan(out[0][1]));
        EXPECT_EQ(out[0][3], -3);
      });
}

TEST(AvgPool, FollowsTheOracle) {
  for (const PoolShape& s : shapes) {
    // Multiples of the window's area make the averages whole.
    Floats x = integers(inputs(s), 1), dy = integers(outputs(s), 2);
    for (float& v : x) v *= static_cast<float>(s.r * s.s);
    for (float& v : dy) v *= static_cast<float>(s.r * s.s);
    Doubles y_exact = oracle::avg_pool_forward(to_oracle(s), widen(x));
    Doubles dx_exact = oracle::avg_pool_backward(to_oracle(s), widen(dy));
    for (Doubles* values : {&y_exact, &dx_exact}) {
      for (double& v : *values) v = std::round(v);
    }
    run_everywhere(
        {nans(outputs(s)), nans(inputs(s))},
        [&](const Trial& ex, const std::vector<float*>& out) {
          avg_pool_forward(ex, s, ex.in(x), out[0]);
          avg_pool_backward(ex, s, ex.in(dy), out[1]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], y_exact);
          expect_equal(out[1], dx_exact);
          EXPECT_EQ(dot(out[0], dy), dot(x, out[1]));
        });
  }
}

TEST(AvgPool, StaysWithinItsBoundOnReals) {
  const PoolShape s{2, 13, 11, 45, 3, 3, 2, 2, 1, 1};
  const Floats x = normals(inputs(s), 1);
  Floats sizes = x;
  for (float& v : sizes) v = std::abs(v);
  const Doubles exact = oracle::avg_pool_forward(to_oracle(s), widen(x));
  const Doubles size = oracle::avg_pool_forward(to_oracle(s), widen(sizes));
  run_everywhere(
      {nans(outputs(s))},
      [&](const Trial& ex, const std::vector<float*>& out) {
        avg_pool_forward(ex, s, ex.in(x), out[0]);
      },
      [&](const std::vector<Floats>& out) {
        expect_within(out[0], exact, [&](std::size_t i) { return 10 * unit * size[i]; });
      });
}

TEST(GlobalAvgPool, IsAnAverageOfTheWholeImage) {
  struct Image {
    std::int64_t n, pixels, c;
  };
  for (const Image& s : {Image{1, 1, 1},
                         {3, 64, 64},
                         {5, 49, 45},
                         {2, 7, 13},
                         {40, 1024, 5},
                         {2, 9, 33},
                         {2, 9, 132}}) {
    Floats x = integers(s.n * s.pixels * s.c, 1), dy = integers(s.n * s.c, 2);
    for (float& v : x) v *= static_cast<float>(s.pixels);
    for (float& v : dy) v *= static_cast<float>(s.pixels);
    const oracle::Pool pool{s.n, s.pixels, 1, s.c, s.pixels, 1, 1, 1, 0, 0};
    Doubles y_exact = oracle::avg_pool_forward(pool, widen(x));
    Doubles dx_exact = oracle::avg_pool_backward(pool, widen(dy));
    for (double& v : y_exact) v = std::round(v);
    for (double& v : dx_exact) v = std::round(v);
    run_everywhere(
        {nans(s.n * s.c), nans(s.n * s.pixels * s.c)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          global_avg_pool_forward(ex, s.n, s.pixels, s.c, ex.in(x), out[0]);
          global_avg_pool_backward(ex, s.n, s.pixels, s.c, ex.in(dy), out[1]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], y_exact);
          expect_equal(out[1], dx_exact);
        });
  }
}

TEST(Pool, OracleBackwardIsTheDerivative) {
  const oracle::Pool pool{1, 5, 4, 2, 3, 2, 2, 1, 1, 1};
  const Doubles x = widen(normals(40, 7));
  const oracle::MaxPool at = oracle::max_pool_forward(pool, x);
  const Doubles dy = widen(normals(static_cast<std::int64_t>(at.y.size()), 8));
  const auto with_dy = [&](const Doubles& y) {
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const auto max_f = [&](const Doubles& v) { return with_dy(oracle::max_pool_forward(pool, v).y); };
  const auto avg_f = [&](const Doubles& v) { return with_dy(oracle::avg_pool_forward(pool, v)); };
  const Doubles max_dx = oracle::max_pool_backward(pool, dy, at.argmax);
  const Doubles avg_dx = oracle::avg_pool_backward(pool, dy);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(max_dx[i], finite_difference(max_f, x, i), 1e-8);
    EXPECT_NEAR(avg_dx[i], finite_difference(avg_f, x, i), 1e-8);
  }
}

TEST(Pool, RefusesBadShapes) {
  Floats a(256), b(256);
  std::vector<std::int32_t> argmax(256);
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const auto all = [&](const PoolShape& s, const char* part) {
      EXPECT_SHAPE_ERROR(check(s), part);
      EXPECT_SHAPE_ERROR(max_pool_forward(ex, s, a.data(), b.data(), argmax.data()), part);
      EXPECT_SHAPE_ERROR(max_pool_backward(ex, s, a.data(), argmax.data(), b.data()), part);
      EXPECT_SHAPE_ERROR(avg_pool_forward(ex, s, a.data(), b.data()), part);
      EXPECT_SHAPE_ERROR(avg_pool_backward(ex, s, a.data(), b.data()), part);
    };
    all({0, 4, 4, 1, 2, 2, 2, 2}, "(0, 4, 4, 1)");
    all({1, 0, 4, 1, 2, 2, 2, 2}, "(1, 0, 4, 1)");
    all({1, 4, 0, 1, 2, 2, 2, 2}, "(1, 4, 0, 1)");
    all({1, 4, 4, 0, 2, 2, 2, 2}, "(1, 4, 4, 0)");
    all({1, 4, 4, 1, 0, 2, 2, 2}, "window (0, 2)");
    all({1, 4, 4, 1, 2, 0, 2, 2}, "window (2, 0)");
    all({1, 4, 4, 1, 2, 2, 0, 2}, "stride (0, 2)");
    all({1, 4, 4, 1, 2, 2, 2, 0}, "stride (2, 0)");
    all({1, 4, 4, 1, 2, 2, 2, 2, 2, 0}, "padding (2, 0)");
    all({1, 4, 4, 1, 2, 2, 2, 2, 0, -1}, "padding (0, -1)");
    all({1, 4, 4, 1, 5, 2, 2, 2}, "window (5, 2) is larger than the padded image (4, 4)");
    all({1, 4, 4, 1, 2, 7, 2, 2, 0, 1}, "larger than the padded image (4, 6)");
    EXPECT_SHAPE_ERROR(global_avg_pool_forward(ex, 0, 1, 1, a.data(), b.data()), "0 images");
    EXPECT_SHAPE_ERROR(global_avg_pool_forward(ex, 1, 0, 1, a.data(), b.data()), "0 pixels");
    EXPECT_SHAPE_ERROR(global_avg_pool_backward(ex, 1, 1, 0, a.data(), b.data()), "0 channels");
  }
}

}  // namespace
}  // namespace trifold::kernels
