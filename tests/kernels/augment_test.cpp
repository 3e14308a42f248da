#include "kernels/augment.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/augment.h"

namespace trifold::kernels {
namespace {

using namespace test;

/// Every shift up to one past the image, and both ways round, has its turn.
TEST(Augment, CropsMirrorsAndLooksUp) {
  for (const AugmentShape& s : std::vector<AugmentShape>{
           {1, 1, 1, 1}, {64, 4, 4, 1}, {201, 5, 7, 3}, {9, 32, 32, 3}, {7, 3, 11, 4}}) {
    std::vector<std::uint8_t> x(index(s.n * s.h * s.w * s.c));
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<std::uint8_t>(random_bits(1, i));
    }
    const Floats table = normals(s.c * 256, 2);
    std::vector<std::int32_t> crops;
    std::vector<oracle::Window> windows;
    for (std::int64_t i = 0; i < s.n; ++i) {
      const std::int64_t down = i % (2 * s.h + 3) - s.h - 1, right = i % (2 * s.w + 3) - s.w - 1;
      const bool mirrored = random_bits(3, static_cast<std::uint64_t>(i)) % 2 == 1;
      crops.insert(crops.end(), {static_cast<std::int32_t>(down), static_cast<std::int32_t>(right),
                                 mirrored ? 1 : 0});
      windows.push_back({down, right, mirrored});
    }
    const Doubles expected = oracle::augment({s.n, s.h, s.w, s.c}, x, windows, widen(table));
    run_everywhere(
        {nans(s.n * s.h * s.w * s.c)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          const DeviceArray<std::uint8_t> images(ex.device, x);
          augment(ex, s, images.data(), reinterpret_cast<const Crop*>(ex.in(crops)), ex.in(table),
                  out[0]);
        },
        [&](const std::vector<Floats>& out) { expect_equal(out[0], expected); });
  }
}

TEST(Augment, RefusesEmptyImages) {
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    EXPECT_SHAPE_ERROR(augment(ex, {0, 1, 1, 1}, nullptr, nullptr, nullptr, nullptr),
                       "(0, 1, 1, 1)");
    EXPECT_SHAPE_ERROR(augment(ex, {1, 1, 1, 0}, nullptr, nullptr, nullptr, nullptr),
                       "(1, 1, 1, 0)");
  }
}

}  // namespace
}  // namespace trifold::kernels
