/// Depthwise convolutions, of MobileNetV2's layers and of others.
#include "kernels/depthwise_conv2d.h"

#include <fmt/format.h>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"

namespace trifold::bench {
namespace {

using kernels::DepthwiseConv2dShape;
using kernels::Exec;

void add_depthwise(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t c,
                   std::int64_t window, std::int64_t stride) {
  const DepthwiseConv2dShape s{.n = n,
                               .h = side,
                               .w = side,
                               .c = c,
                               .r = window,
                               .s = window,
                               .stride_h = stride,
                               .stride_w = stride,
                               .pad_h = window / 2,
                               .pad_w = window / 2};
  const std::string shape =
      fmt::format("{}_{}x{}s{}", image_name(n, side, side, c), window, window, stride);
  const std::int64_t x = s.x_size(), w = s.w_size(), y = s.y_size();
  Work work = traffic(x + w + y, 1);
  work.flops = 2.0 * static_cast<double>(y * window * window);
  Work both_read = work;
  both_read.reads = 2;
  suite.add({"depthwise_conv2d_forward", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::depthwise_conv2d_forward(ex, s, cold_input(x), cold_input(w), nullptr,
                                        kernels::Activation::none, cold_output(y));
    };
  });
  suite.add({"depthwise_conv2d_backward_data", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::depthwise_conv2d_backward_data(ex, s, cold_input(y), cold_input(w),
                                              kernels::Write::overwrite, cold_output(x));
    };
  });
  suite.add({"depthwise_conv2d_backward_weight", shape, "", both_read}, [=](const Exec& ex) {
    return [=] {
      kernels::depthwise_conv2d_backward_weight(ex, s, cold_input(x), cold_input(y), cold_output(w),
                                                nullptr);
    };
  });
}

}  // namespace

void add_depthwise_conv2d_rows(const Suite& suite) {
  add_depthwise(suite, 128, 32, 32, 3, 1);
  add_depthwise(suite, 128, 32, 144, 3, 1);
  add_depthwise(suite, 128, 32, 144, 3, 2);
  add_depthwise(suite, 128, 16, 192, 3, 1);
  add_depthwise(suite, 128, 8, 384, 3, 1);
  add_depthwise(suite, 128, 4, 960, 3, 1);
  add_depthwise(suite, 1, 16, 192, 3, 1);
  add_depthwise(suite, 128, 16, 101, 3, 1);  // as pruning leaves it
  add_depthwise(suite, 128, 16, 192, 5, 1);
  add_depthwise(suite, 128, 16, 192, 5, 2);
  add_depthwise(suite, 128, 16, 192, 7, 1);
}

}  // namespace trifold::bench
