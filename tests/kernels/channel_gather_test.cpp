#include "kernels/channel_gather.h"

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/channel_gather.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Sources = std::vector<std::int32_t>;

struct Case {
  std::int64_t n, h, w, c, stride;
  Sources source;

  ChannelGatherShape shape() const {
    return {n, h, w, c, static_cast<std::int64_t>(source.size()), stride};
  }
  std::int64_t inputs() const { return n * h * w * c; }
  std::int64_t outputs() const { return n * shape().p() * shape().q() * shape().k; }
};

std::vector<Case> cases() {
  Sources shortcut(32, -1);
  for (int j = 0; j < 16; ++j) shortcut[index(8 + j)] = j;
  Sources scattered;
  for (int j = 0; j < 45; ++j) {
    scattered.push_back(static_cast<std::int32_t>(random_bits(9, static_cast<unsigned>(j)) % 25) -
                        1);
  }
  Sources many;  // more than a block of the GPU's takes at a time
  for (int j = 0; j < 300; ++j) {
    many.push_back(static_cast<std::int32_t>(random_bits(10, static_cast<unsigned>(j)) % 151) - 1);
  }
  return {{1, 1, 1, 1, 1, {0}},          {2, 7, 5, 3, 2, {2, 2, -1, 0, 1}},
          {3, 32, 32, 16, 2, shortcut},  {2, 5, 7, 24, 1, scattered},
          {1, 3, 3, 4, 5, {3, 2, 1, 0}}, {2, 9, 9, 23, 1, {0, 1, 2, 3, 7, 8, 9, 20, 21, 22, -1}},
          {2, 3, 2, 150, 1, many}};
}

TEST(ChannelGather, ForwardAndBackwardFollowTheOracle) {
  for (const Case& t : cases()) {
    const Floats x = integers(t.inputs(), 1), dy = integers(t.outputs(), 2);
    const oracle::Gather g{t.n, t.h, t.w, t.c, t.stride};
    const Doubles y_exact = oracle::channel_gather_forward(g, widen(x), t.source);
    const Doubles dx_exact = oracle::channel_gather_backward(g, widen(dy), t.source);
    run_everywhere(
        {nans(t.outputs()), nans(t.inputs())},
        [&](const Trial& ex, const std::vector<float*>& out) {
          channel_gather_forward(ex, t.shape(), ex.in(x), ex.in(t.source), out[0]);
          channel_gather_backward(ex, t.shape(), ex.in(dy), ex.in(t.source), out[1]);
        },
        [&](const std::vector<Floats>& out) {
          expect_equal(out[0], y_exact);
          expect_equal(out[1], dx_exact);
          EXPECT_EQ(dot(out[0], dy), dot(x, out[1]));
        });
  }
}

TEST(ChannelGather, RefusesBadExtentsAndSources) {
  Floats a(64), b(64);
  const auto both = [&](Device device, const ChannelGatherShape& s, const Sources& source,
                        const char* part) {
    const Exec ex{.device = device};
    EXPECT_SHAPE_ERROR(channel_gather_forward(ex, s, a.data(), source.data(), b.data()), part);
    EXPECT_SHAPE_ERROR(channel_gather_backward(ex, s, a.data(), source.data(), b.data()), part);
  };
  for (const Device device : devices()) {
    both(device, {0, 1, 1, 1, 1, 1}, {0}, "(0, 1, 1, 1)");
    both(device, {1, 0, 1, 1, 1, 1}, {0}, "(1, 0, 1, 1)");
    both(device, {1, 1, 0, 1, 1, 1}, {0}, "(1, 1, 0, 1)");
    both(device, {1, 1, 1, 0, 1, 1}, {0}, "(1, 1, 1, 0)");
    both(device, {1, 1, 1, 1, 0, 1}, {0}, "0 channels");
    both(device, {1, 1, 1, 1, 1, 0}, {0}, "stride 0");
  }
  both(Device{}, {1, 1, 1, 4, 2, 1}, {0, 4}, "source 4 of output channel 1");
  both(Device{}, {1, 1, 1, 4, 2, 1}, {-2, 0}, "source -2 of output channel 0");
}

}  // namespace
}  // namespace trifold::kernels
