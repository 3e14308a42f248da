/// Inverted residual blocks of inference, of MobileNetV2 on 32 x 32 pixels, beside their convolutions
/// one after the other.
#include "kernels/inverted_residual.h"

#include <fmt/format.h>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/inverted_residual_steps.h"

namespace trifold::bench {
namespace {

using kernels::Activation;
using kernels::Conv2dShape;
using kernels::Exec;

Conv2dShape pointwise(std::int64_t n, std::int64_t side, std::int64_t c, std::int64_t k) {
  return {.n = n, .h = side, .w = side, .c = c, .k = k, .r = 1, .s = 1};
}

void add_inverted_residual(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t c,
                           std::int64_t k, std::int64_t stride) {
  const std::int64_t wide = 6 * c;
  const kernels::InvertedResidualShape s{
      .expand = pointwise(n, side, c, wide),
      .depthwise = {n, side, side, wide, 3, 3, stride, stride, 1, 1},
      .project = pointwise(n, side / stride, wide, k)};
  const std::int64_t x = s.expand.x_size(), y = s.project.y_size();
  Work work = traffic(x + y, 1);
  work.flops = 2.0 * static_cast<double>(x * wide + s.depthwise.y_size() * 9 + y * wide);
  const std::string name = fmt::format("{}_k{}_3x3s{}", image_name(n, side, side, c), k, stride);

  // Each with weights and working memory of its own. What is between the convolutions is warm.
  struct Memory {
    std::vector<float> expand, depthwise, project, workspace;
  };
  const auto timed = [=](const Exec& ex, std::int64_t workspace, const auto& forward) {
    const auto memory = std::make_shared<Memory>();
    const auto pack = [&](const Conv2dShape& conv, std::vector<float>& to) {
      to.resize(static_cast<std::size_t>(kernels::conv2d_packing(ex, conv).floats));
      kernels::conv2d_pack(ex, conv, noise(conv.w_size()).data(), to.data());
    };
    pack(s.expand, memory->expand);
    pack(s.project, memory->project);
    memory->depthwise = noise(s.depthwise.w_size());
    memory->workspace.resize(static_cast<std::size_t>(workspace));
    return [=] {
      forward(ex, s, cold_input(x),
              {memory->expand.data(), nullptr, Activation::relu, memory->depthwise.data(), nullptr,
               Activation::relu, memory->project.data(), nullptr},
              nullptr, Activation::none, memory->workspace.data(), cold_output(y));
    };
  };
  const auto together = [=](const Exec& ex) {
    return timed(ex, kernels::inverted_residual_workspace(ex, s),
                 kernels::inverted_residual_forward);
  };
  const auto in_steps = [=](const Exec& ex) {
    return timed(ex, kernels::inverted_residual_step_floats(s),
                 kernels::inverted_residual_in_steps<kernels::conv2d_packed_forward,
                                                     kernels::depthwise_conv2d_forward>);
  };
  suite.add({{{"inverted_residual_forward", name, "", work}, together},
             {{"inverted_residual_forward", name, "steps", work}, in_steps}});
}

}  // namespace

void add_inverted_residual_rows(const Suite& suite) {
  for (const std::int64_t n : {1, 8, 128}) {
    add_inverted_residual(suite, n, 32, 16, 24, 1);
    add_inverted_residual(suite, n, 32, 24, 24, 1);
    add_inverted_residual(suite, n, 32, 24, 32, 2);
    add_inverted_residual(suite, n, 16, 32, 32, 1);
    add_inverted_residual(suite, n, 16, 32, 64, 2);
    add_inverted_residual(suite, n, 8, 64, 64, 1);  // too small for bands
  }
}

}  // namespace trifold::bench
