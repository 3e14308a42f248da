#include "kernels/concat.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/concat.h"

namespace trifold::kernels {
namespace {

using namespace test;

TEST(Concat, CopiesAndAccumulatesSlices) {
  // rows, channels, source width and offset, destination width and offset
  const std::vector<ChannelSlice> slices{{1, 1, 1, 0, 1, 0},         {7, 5, 11, 3, 13, 8},
                                         {3001, 12, 12, 0, 168, 40}, {3001, 12, 168, 40, 12, 0},
                                         {50, 45, 45, 0, 45, 0},     {9, 23, 64, 41, 23, 0},
                                         {300, 160, 160, 0, 172, 12}};
  for (const ChannelSlice& s : slices) {
    const Floats src = integers(s.rows * s.src_channels, 1);
    const Floats dst = integers(s.rows * s.dst_channels, 2);
    for (const Write write : {Write::overwrite, Write::accumulate}) {
      const Doubles expected =
          oracle::copy_channels(s.rows, s.channels, widen(src), s.src_offset, widen(dst),
                                s.dst_offset, write == Write::accumulate);
      run_everywhere(
          {dst},
          [&](const Trial& ex, const std::vector<float*>& out) {
            copy_channels(ex, s, write, ex.in(src), out[0]);
          },
          [&](const std::vector<Floats>& out) { expect_equal(out[0], expected); });
    }
  }
}

TEST(Concat, OverwritesNaN) {
  const Floats src = integers(21, 1);
  run_everywhere(
      {nans(21)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        copy_channels(ex, {3, 7, 7, 0, 7, 0}, Write::overwrite, ex.in(src), out[0]);
      },
      [&](const std::vector<Floats>& out) { expect_equal(out[0], widen(src)); });
}

TEST(Concat, RefusesSlicesOutsideTheirRows) {
  Floats a(64), b(64);
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    const auto copy = [&](const ChannelSlice& s) {
      copy_channels(ex, s, Write::overwrite, a.data(), b.data());
    };
    EXPECT_SHAPE_ERROR(copy({0, 1, 1, 0, 1, 0}), "0 rows");
    EXPECT_SHAPE_ERROR(copy({1, 0, 1, 0, 1, 0}), "0 channels");
    EXPECT_SHAPE_ERROR(copy({1, 4, 7, 4, 8, 0}), "from channel 4 of a source with 7");
    EXPECT_SHAPE_ERROR(copy({1, 4, 8, -1, 8, 0}), "from channel -1");
    EXPECT_SHAPE_ERROR(copy({1, 4, 8, 0, 8, 5}), "at channel 5 of a destination with 8");
    EXPECT_SHAPE_ERROR(copy({1, 4, 8, 0, 8, -2}), "at channel -2");
  }
}

}  // namespace
}  // namespace trifold::kernels
