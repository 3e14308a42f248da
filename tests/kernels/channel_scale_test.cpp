#include "kernels/channel_scale.h"

#include <numeric>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/channel_scale.h"

namespace trifold::kernels {
namespace {

using namespace test;

const std::vector<ChannelScaleShape> shapes{{1, 1, 1},     {3, 64, 64}, {5, 45, 49}, {2, 7, 13},
                                            {40, 25, 5},   {2, 9, 33},  {2, 9, 132}, {1, 300, 4},
                                            {2, 1, 40007}, {3, 5000, 3}};

TEST(ChannelScale, MultipliesEveryPixelOfAnImageByItsFactors) {
  for (const ChannelScaleShape& s : shapes) {
    SCOPED_TRACE(testing::Message() << s.n << ", " << s.pixels << ", " << s.c);
    const Floats x = integers(s.n * s.pixels * s.c, 1), factor = integers(s.n * s.c, 2);
    const Doubles exact = oracle::channel_scale({s.n, s.pixels, s.c}, widen(x), widen(factor));
    run_everywhere(
        {nans(s.n * s.pixels * s.c), x},
        [&](const Trial& ex, const std::vector<float*>& out) {
          channel_scale(ex, s, ex.in(x), ex.in(factor), out[0]);
          channel_scale(ex, s, out[1], ex.in(factor), out[1]);
        },
        [&](const std::vector<Floats>& y) {
          expect_equal(y[0], exact);
          expect_equal(y[1], exact);
        });
  }
}

TEST(ChannelScale, GradientOfTheFactorsStaysInItsBound) {
  for (const ChannelScaleShape& s : shapes) {
    SCOPED_TRACE(testing::Message() << s.n << ", " << s.pixels << ", " << s.c);
    const Floats x = normals(s.n * s.pixels * s.c, 3), dy = normals(s.n * s.pixels * s.c, 4, 1);
    const auto exact = oracle::channel_scale_gradient({s.n, s.pixels, s.c}, widen(x), widen(dy));
    run_everywhere(
        {nans(s.n * s.c)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          channel_scale_gradient(ex, s, ex.in(x), ex.in(dy), out[0]);
        },
        [&](const std::vector<Floats>& out) {
          expect_within(out[0], exact.value, [&](std::size_t i) {
            return static_cast<double>(s.pixels + 2) * unit * exact.size[i];
          });
        });
  }
}

// One float after a 16-byte boundary, where a GPU can't take four at a time.
TEST(ChannelScale, TakesArraysAtAnyAddress) {
  const ChannelScaleShape s{2, 10, 8};
  const Floats x = integers(161, 5), factor = integers(17, 6), dy = integers(161, 7);
  const auto rest = [](const Floats& values) { return widen({values.begin() + 1, values.end()}); };
  run_everywhere(
      {nans(161), nans(17)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        channel_scale(ex, s, ex.in(x) + 1, ex.in(factor) + 1, out[0] + 1);
        channel_scale_gradient(ex, s, ex.in(x) + 1, ex.in(dy) + 1, out[1] + 1);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_TRUE(std::isnan(out[0][0]) && std::isnan(out[1][0]));
        expect_equal({out[0].begin() + 1, out[0].end()},
                     oracle::channel_scale({2, 10, 8}, rest(x), rest(factor)));
        expect_equal({out[1].begin() + 1, out[1].end()},
                     oracle::channel_scale_gradient({2, 10, 8}, rest(x), rest(dy)).value);
      });
}

TEST(ChannelScale, OracleGradientsAreTheDerivatives) {
  const oracle::ChannelScale s{2, 3, 4};
  const Doubles x = widen(normals(24, 8)), factor = widen(normals(8, 9)),
                dy = widen(normals(24, 10));
  const auto with_dy = [&](const Doubles& y) {
    return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
  };
  const auto of_x = [&](const Doubles& v) { return with_dy(oracle::channel_scale(s, v, factor)); };
  const auto of_factor = [&](const Doubles& v) { return with_dy(oracle::channel_scale(s, x, v)); };
  const Doubles dx = oracle::channel_scale(s, dy, factor);
  const Doubles dfactor = oracle::channel_scale_gradient(s, x, dy).value;
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(dx[i], finite_difference(of_x, x, i), 1e-8);
  }
  for (std::size_t i = 0; i < factor.size(); ++i) {
    EXPECT_NEAR(dfactor[i], finite_difference(of_factor, factor, i), 1e-8);
  }
}

TEST(ChannelScale, RefusesBadShapes) {
  Floats a(16), b(16), c(16);
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const auto both = [&](const ChannelScaleShape& s, const char* part) {
      EXPECT_SHAPE_ERROR(channel_scale(ex, s, a.data(), b.data(), c.data()), part);
      EXPECT_SHAPE_ERROR(channel_scale_gradient(ex, s, a.data(), b.data(), c.data()), part);
    };
    both({0, 1, 1}, "0 images");
    both({1, 0, 1}, "0 pixels");
    both({1, 1, 0}, "0 channels");
  }
}

}  // namespace
}  // namespace trifold::kernels
