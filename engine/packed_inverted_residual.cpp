#include "engine/packed_inverted_residual.h"

#include "kernels/runtime/error.h"

namespace trifold::engine {

Tensor PackedInvertedResidual::run(const kernels::Exec& ex, const Tensor& x, const Tensor* residual,
                                   kernels::Activation act) {
  const Shape& window = depthwise_.w.shape();
  const ConvGeometry& g = depthwise_.geometry;
  kernels::InvertedResidualShape s{};
  s.expand = expand_.shape(x.shape());
  s.depthwise = {s.expand.n, s.expand.h, s.expand.w, window[2], window[0],
                 window[1],  g.stride_h, g.stride_w, g.pad_h,   g.pad_w};
  check(s.depthwise);
  s.project = project_.shape({s.depthwise.n, s.depthwise.p(), s.depthwise.q(), s.depthwise.c});
  Tensor y = Tensor::empty({s.project.n, s.project.h, s.project.w, s.project.k}, x.device());
  require<ShapeError>(!residual || residual->shape() == y.shape(),
                      "an inverted residual to {} with a residual {}", to_string(y.shape()),
                      residual ? to_string(residual->shape()) : "");
  const kernels::InvertedResidualWeights weights{.expand = expand_.packed(ex, s.expand),
                                                 .expand_b = expand_.bias(),
                                                 .expand_act = expand_act_,
                                                 .depthwise = depthwise_.w.data(),
                                                 .depthwise_b = depthwise_.b.data(),
                                                 .depthwise_act = depthwise_.act,
                                                 .project = project_.packed(ex, s.project),
                                                 .project_b = project_.bias()};
  const std::int64_t floats = kernels::inverted_residual_workspace(ex, s);
  Tensor workspace;
  if (floats > 0) workspace = Tensor::empty({floats}, x.device());
  kernels::inverted_residual_forward(ex, s, x.data(), weights,
                                     residual ? residual->data() : nullptr, act,
                                     floats > 0 ? workspace.data() : nullptr, y.data());
  return y;
}

}  // namespace trifold::engine
