/// An inverted residual's convolutions one after the other, for both backends.
#pragma once

#include "kernels/inverted_residual.h"

namespace trifold::kernels {

/// Floats between the convolutions.
inline std::int64_t inverted_residual_step_floats(const InvertedResidualShape& s) {
  return s.depthwise.x_size() + s.depthwise.y_size();
}

/// inverted_residual_forward by a backend's ops, with inverted_residual_step_floats(s) of workspace.
template <auto packed_forward, auto depthwise_forward>
void inverted_residual_in_steps(const Exec& ex, const InvertedResidualShape& s, const float* x,
                                const InvertedResidualWeights& w, const float* residual,
                                Activation act, float* workspace, float* y) {
  float *const expanded = workspace, *const narrowed = workspace + s.depthwise.x_size();
  packed_forward(ex, s.expand, x, nullptr, w.expand, w.expand_b, nullptr, w.expand_act, expanded);
  depthwise_forward(ex, s.depthwise, expanded, w.depthwise, w.depthwise_b, w.depthwise_act,
                    narrowed);
  packed_forward(ex, s.project, narrowed, nullptr, w.project, w.project_b, residual, act, y);
}

}  // namespace trifold::kernels
