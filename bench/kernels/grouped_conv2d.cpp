/// Convolutions in groups, of ResNeXt-50's layers and of others.
#include "kernels/grouped_conv2d.h"

#include <fmt/format.h>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"

namespace trifold::bench {
namespace {

using kernels::Exec;
using kernels::GroupedConv2dShape;

void add_grouped(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t channels,
                 std::int64_t groups, std::int64_t stride) {
  const GroupedConv2dShape s{.n = n,
                             .h = side,
                             .w = side,
                             .c = channels,
                             .k = channels,
                             .r = 3,
                             .s = 3,
                             .groups = groups,
                             .stride_h = stride,
                             .stride_w = stride,
                             .pad_h = 1,
                             .pad_w = 1};
  const std::string shape =
      fmt::format("{}g{}_3x3s{}", image_name(n, side, side, channels), groups, stride);
  const std::int64_t x = s.x_size(), w = s.w_size(), y = s.y_size();
  Work work = traffic(x + w + y, 1);
  work.flops = 2.0 * static_cast<double>(y * 9 * s.group_c());
  Work both_read = work;
  both_read.reads = 2;
  suite.add({"grouped_conv2d_forward", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::grouped_conv2d_forward(ex, s, cold_input(x), cold_input(w), nullptr, cold_output(y));
    };
  });
  suite.add({"grouped_conv2d_backward_data", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::grouped_conv2d_backward_data(ex, s, cold_input(y), cold_input(w),
                                            kernels::Write::overwrite, cold_output(x));
    };
  });
  suite.add({"grouped_conv2d_backward_weight", shape, "", both_read}, [=](const Exec& ex) {
    return [=] {
      kernels::grouped_conv2d_backward_weight(ex, s, cold_input(x), cold_input(y), cold_output(w),
                                              nullptr);
    };
  });
}

}  // namespace

void add_grouped_conv2d_rows(const Suite& suite) {
  add_grouped(suite, 16, 56, 128, 32, 1);
  add_grouped(suite, 16, 56, 256, 32, 2);
  add_grouped(suite, 16, 28, 256, 32, 1);
  add_grouped(suite, 16, 14, 512, 32, 1);
  add_grouped(suite, 16, 7, 1024, 32, 1);
  add_grouped(suite, 1, 28, 256, 32, 1);
  add_grouped(suite, 16, 28, 184, 23, 1);  // as pruning leaves it
  add_grouped(suite, 16, 27, 256, 2, 1);   // AlexNet's two halves
}

}  // namespace trifold::bench
