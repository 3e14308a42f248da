#include "kernels/packed_conv2d.h"

#include <algorithm>

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"

namespace trifold::kernels {
namespace {

using namespace test;

class Conv2dPacked : public testing::TestWithParam<cpu::Conv2dAlgorithm> {
 protected:
  void SetUp() override { cpu::force_conv2d_algorithm(GetParam()); }
  void TearDown() override { cpu::force_conv2d_algorithm(std::nullopt); }
};

INSTANTIATE_TEST_SUITE_P(Algorithms, Conv2dPacked,
                         testing::Values(cpu::Conv2dAlgorithm::direct,
                                         cpu::Conv2dAlgorithm::winograd));

TEST_P(Conv2dPacked, IsTheConvolutionThenTheRest) {
  for (const Conv2dShape& s :
       {Conv2dShape{
            .n = 2, .h = 7, .w = 6, .c = 5, .k = 11, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1},
        {.n = 1, .h = 8, .w = 8, .c = 16, .k = 32, .r = 1, .s = 1, .stride_h = 2, .stride_w = 2}}) {
    const Floats x = integers(s.x_size(), 1), w = integers(s.w_size(), 2), b = integers(s.k, 3);
    const Floats residual = integers(s.y_size(), 4);
    for (const Activation act : {Activation::none, Activation::relu}) {
      run_everywhere(
          {nans(s.y_size()), nans(s.y_size()), nans(s.y_size()), residual},
          [&](const Trial& ex, const std::vector<float*>& out) {
            const DeviceArray<float> packed(ex.device, nans(conv2d_packing(ex, s).floats));
            conv2d_pack(ex, s, ex.in(w), packed.data());
            const auto fused = [&](const float* added, float* y) {
              conv2d_packed_forward(ex, s, ex.in(x), nullptr, packed.data(), ex.in(b), added, act,
                                    y);
            };
            conv2d_forward(ex, s, ex.in(x), ex.in(w), ex.in(b), out[0]);
            fused(nullptr, out[1]);
            fused(ex.in(residual), out[2]);
            fused(out[3], out[3]);
            EXPECT_TRUE(packed.intact());
          },
          [&](const std::vector<Floats>& out) {
            for (std::size_t i = 0; i < out[0].size(); ++i) {
              const float plain = out[0][i], sum = plain + residual[i];
              const bool relu = act == Activation::relu;
              ASSERT_EQ(out[1][i], relu && plain < 0 ? 0 : plain);
              ASSERT_EQ(out[2][i], relu && sum < 0 ? 0 : sum);
            }
            EXPECT_TRUE(same_bits(out[2], out[3]));
          });
    }
  }
}

TEST_P(Conv2dPacked, NormalisesWhatItReads) {
  const Conv2dShape s{
      .n = 2, .h = 7, .w = 6, .c = 5, .k = 11, .r = 3, .s = 3, .pad_h = 1, .pad_w = 1};
  const Floats x = integers(s.x_size(), 1), w = integers(s.w_size(), 2), b = integers(s.k, 3);
  const Floats mean = integers(s.c, 4), scale = integers(s.c, 5), shift = integers(s.c, 6);
  Floats a = x;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::size_t c = i % mean.size();
    a[i] = std::max(0.0f, (a[i] - mean[c]) * scale[c] + shift[c]);
  }
  run_everywhere(
      {nans(s.y_size()), nans(s.y_size())},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const DeviceArray<float> packed(ex.device, nans(conv2d_packing(ex, s).floats));
        conv2d_pack(ex, s, ex.in(w), packed.data());
        const InputNorm norm{ex.in(mean), ex.in(scale), ex.in(shift), Activation::relu};
        conv2d_packed_forward(ex, s, ex.in(x), &norm, packed.data(), ex.in(b), nullptr,
                              Activation::none, out[0]);
        conv2d_forward(ex, s, ex.in(a), ex.in(w), ex.in(b), out[1]);
      },
      [&](const std::vector<Floats>& out) { EXPECT_TRUE(same_bits(out[0], out[1])); });
}

}  // namespace
}  // namespace trifold::kernels
