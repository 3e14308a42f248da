#include "kernels/resize.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/resize.h"

namespace trifold::kernels {
namespace {

using namespace test;

constexpr auto filters = {ResizeFilter::plain, ResizeFilter::antialias};

oracle::Resize to_oracle(const ResizeShape& s, ResizeFilter filter) {
  return {s.n, s.src_h, s.src_w, s.dst_h, s.dst_w, s.c, filter == ResizeFilter::antialias};
}

std::int64_t inputs(const ResizeShape& s) { return s.n * s.src_h * s.src_w * s.c; }
std::int64_t outputs(const ResizeShape& s) { return s.n * s.dst_h * s.dst_w * s.c; }

const std::vector<ResizeShape> shapes{
    {1, 1, 1, 1, 1, 1},       {2, 1, 1, 5, 7, 3},      {2, 7, 5, 1, 1, 5},
    {2, 32, 32, 24, 20, 3},   {1, 13, 11, 23, 5, 1},   {3, 5, 23, 11, 45, 13},
    {1, 16, 8, 8, 16, 45},    {2, 37, 41, 3, 2, 11},   {1, 56, 56, 32, 48, 16},
    {1, 2, 9000, 1, 8200, 1}, {1, 1, 8200, 2, 9000, 4}};

/// The most taps that any output of one dimension has.
double taps(std::int64_t src, std::int64_t dst) {
  return std::ceil(2.0 * std::max(1.0, static_cast<double>(src) / static_cast<double>(dst))) + 1;
}

TEST(Resize, ForwardStaysWithinItsBound) {
  for (const ResizeFilter filter : filters) {
    for (const ResizeShape& s : shapes) {
      const Floats x = normals(inputs(s), 1);
      double largest = 0;
      for (const float v : x) largest = std::max(largest, std::abs(static_cast<double>(v)));
      const Doubles exact = oracle::resize_forward(to_oracle(s, filter), widen(x));
      const double bound = (taps(s.src_h, s.dst_h) + taps(s.src_w, s.dst_w) + 8) * unit * largest;
      run_everywhere(
          {nans(outputs(s))},
          [&](const Trial& ex, const std::vector<float*>& out) {
            resize_forward(ex, s, filter, ex.in(x), out[0]);
          },
          [&](const std::vector<Floats>& out) {
            expect_within(out[0], exact, [&](std::size_t) { return bound; });
          });
    }
  }
}

TEST(Resize, BackwardIsTheAdjoint) {
  for (const ResizeFilter filter : filters) {
    for (const ResizeShape& s : shapes) {
      const Floats x = normals(inputs(s), 1), dy = normals(outputs(s), 2);
      Floats sizes = dy;
      for (float& v : sizes) v = std::abs(v);
      const Doubles exact = oracle::resize_backward(to_oracle(s, filter), widen(dy));
      const Doubles size = oracle::resize_backward(to_oracle(s, filter), widen(sizes));
      const double terms = taps(s.dst_h, s.src_h) + taps(s.dst_w, s.src_w) + 16;
      run_everywhere(
          {nans(outputs(s)), nans(inputs(s))},
          [&](const Trial& ex, const std::vector<float*>& out) {
            resize_forward(ex, s, filter, ex.in(x), out[0]);
            resize_backward(ex, s, filter, ex.in(dy), out[1]);
          },
          [&](const std::vector<Floats>& out) {
            expect_within(out[1], exact, [&](std::size_t i) { return terms * unit * size[i]; });
            double scale = 0;
            for (std::size_t i = 0; i < dy.size(); ++i) {
              scale += std::abs(static_cast<double>(out[0][i]) * dy[i]);
            }
            EXPECT_NEAR(dot(out[0], dy), dot(x, out[1]), 1e-5 * scale);
          });
    }
  }
}

Floats resized(Device device, const ResizeShape& s, ResizeFilter filter, const Floats& x) {
  return outputs_of(Trial(device), {nans(outputs(s))},
                    [&](const Trial& ex, const std::vector<float*>& out) {
                      resize_forward(ex, s, filter, ex.in(x), out[0]);
                    })[0];
}

TEST(Resize, HalvingAndDoublingKnownValues) {
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    const auto row = [&](ResizeFilter filter, const Floats& x, std::int64_t dst) {
      const ResizeShape s{1, 1, static_cast<std::int64_t>(x.size()), 1, dst, 1};
      return resized(device, s, filter, x);
    };
    for (const ResizeFilter filter : filters) {
      EXPECT_EQ(row(filter, {0, 4}, 4), (Floats{0, 1, 3, 4}));
    }
    EXPECT_EQ(row(ResizeFilter::plain, {0, 2, 4, 8}, 2), (Floats{1, 6}));
    // Weights 3 3 1 and 1 3 3, over 7: the fourth tap is outside.
    const Floats halved = row(ResizeFilter::antialias, {0, 7, 14, 28}, 2);
    EXPECT_NEAR(halved[0], 5, 1e-6);
    EXPECT_NEAR(halved[1], 19, 1e-5);
  }
}

TEST(Resize, IdentityIsExactAndConstantsStay) {
  for (const ResizeFilter filter : filters) {
    const ResizeShape same{2, 13, 5, 13, 5, 3};
    const Floats x = normals(inputs(same), 1);
    run_everywhere(
        {nans(inputs(same)), nans(inputs(same))},
        [&](const Trial& ex, const std::vector<float*>& out) {
          resize_forward(ex, same, filter, ex.in(x), out[0]);
          resize_backward(ex, same, filter, ex.in(x), out[1]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], widen(x));
          expect_equal(out[1], widen(x));
        });
    for (const ResizeShape& s : shapes) {
      const Floats constant(index(inputs(s)), 3.7f);
      const double terms = taps(s.src_h, s.dst_h) + taps(s.src_w, s.dst_w) + 8;
      for (const Device device : devices()) {
        SCOPED_TRACE(to_string(device));
        const Floats y = resized(device, s, filter, constant);
        expect_within(y, Doubles(y.size(), static_cast<double>(3.7f)),
                      [&](std::size_t) { return terms * unit * 3.7; });
      }
    }
  }
}

TEST(Resize, FiltersAgreeWhenGrowing) {
  const ResizeShape s{2, 5, 7, 11, 23, 5};
  const Floats x = normals(inputs(s), 1);
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    const Floats plain = resized(device, s, ResizeFilter::plain, x);
    const Floats antialias = resized(device, s, ResizeFilter::antialias, x);
    expect_within(antialias, widen(plain), [](std::size_t) { return 16 * unit; });
  }
}

TEST(Resize, OracleBackwardIsTheDerivative) {
  for (const bool antialias : {false, true}) {
    const oracle::Resize r{1, 5, 3, 2, 4, 1, antialias};
    const Doubles x = widen(normals(15, 1)), dy = widen(normals(8, 2));
    const Doubles dx = oracle::resize_backward(r, dy);
    const auto f = [&](const Doubles& at) {
      const Doubles y = oracle::resize_forward(r, at);
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    };
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(dx[i], finite_difference(f, x, i), 1e-8);
  }
}

TEST(Resize, RefusesEmptyExtents) {
  Floats a(16), b(16);
  for (int field = 0; field < 6; ++field) {
    std::array<std::int64_t, 6> e{1, 1, 1, 1, 1, 1};
    e[index(field)] = 0;
    const ResizeShape s{e[0], e[1], e[2], e[3], e[4], e[5]};
    for (const Device device : devices()) {
      const Exec ex{.device = device};
      EXPECT_SHAPE_ERROR(resize_forward(ex, s, ResizeFilter::plain, a.data(), b.data()), "0");
      EXPECT_SHAPE_ERROR(resize_backward(ex, s, ResizeFilter::plain, a.data(), b.data()), "0");
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
