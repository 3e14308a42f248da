#include "kernels/flatten.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/flatten.h"

namespace trifold::kernels {
namespace {

using namespace test;

TEST(Flatten, MovesEveryElementThereAndBack) {
  // One of each, whole squares and bands, and what is left of them.
  for (const FlattenShape& s : {FlattenShape{1, 1, 1}, FlattenShape{3, 1, 7}, FlattenShape{2, 9, 1},
                                FlattenShape{2, 49, 33}, FlattenShape{1, 64, 96},
                                FlattenShape{5, 4, 130}, FlattenShape{2, 196, 5}}) {
    SCOPED_TRACE(testing::Message() << s.n << ", " << s.pixels << ", " << s.c);
    const std::int64_t count = s.n * s.pixels * s.c;
    const Floats x = normals(count, 1), dy = normals(count, 2);
    const Doubles y = oracle::flatten_forward(s.n, s.pixels, s.c, widen(x));
    const Doubles dx = oracle::flatten_backward(s.n, s.pixels, s.c, widen(dy));
    run_everywhere(
        {nans(count), nans(count)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          flatten_forward(ex, s, ex.in(x), out[0]);
          flatten_backward(ex, s, ex.in(dy), out[1]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], y);
          expect_equal(out[1], dx);
        });
  }
}

TEST(Flatten, ReferenceAgreesWithDifferences) {
  const Doubles x = widen(normals(24, 3)), dy = widen(normals(24, 4));
  const auto f = [&](const Doubles& at) {
    const Doubles y = oracle::flatten_forward(2, 4, 3, at);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const Doubles dx = oracle::flatten_backward(2, 4, 3, dy);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(finite_difference(f, x, i), dx[i], 1e-8);
}

TEST(Flatten, RefusesEmptyAndHugeExtents) {
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    for (const FlattenShape& s :
         {FlattenShape{0, 1, 1}, FlattenShape{1, 0, 1}, FlattenShape{1, 1, 0},
          FlattenShape{1, std::int64_t{1} << 31, 1}, FlattenShape{1, 1, std::int64_t{1} << 31}}) {
      EXPECT_THROW(flatten_forward(ex, s, nullptr, nullptr), ShapeError);
      EXPECT_THROW(flatten_backward(ex, s, nullptr, nullptr), ShapeError);
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
