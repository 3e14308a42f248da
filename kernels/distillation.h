/// The loss of a network that learns from labels and from another network's answers.
///
/// Reference tests/oracle/distillation.h; test tests/kernels/distillation_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/softmax_cross_entropy.h"

namespace trifold::kernels {

/// How much the teacher counts beside the labels, and how soft its answers are made.
struct Distillation {
  double weight;       ///< in [0, 1]
  double temperature;  ///< > 0
};

/// loss[n] = (1 - weight) cross_entropy[n] + weight T^2 KL(p[n] || q[n]), with the loss of
/// softmax_cross_entropy, the teacher's p = softmax(t / T), the student's q = softmax(z / T) and
/// KL(p || q) = sum over j of p_j log(p_j / q_j); dz[n] = ((1 - weight) (softmax(z[n]) - target[n]) +
/// weight T (q[n] - p[n])) dz_scale, with softmax_cross_entropy's smoothed target. With dz_scale =
/// 1 / n, dz is the gradient of the mean loss. T^2 keeps the gradient's size as T grows.
/// Shapes    z, t (n,classes), labels (n), loss (n), dz (n,classes) or null; on ex.device.
/// Effects   overwrites loss and dz; dz may be z.
/// Errors    ShapeError: an extent < 1; on the CPU also a label outside [0, classes).
/// Numerics  relative error of loss below classes 2^-22; where z = t, KL and its gradient are 0. A
///           part whose weight is 0 has no effect, whatever its logits are.
/// Source    Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, arXiv 1503.02531.
void distillation_loss(const Exec& ex, const SoftmaxShape& s, const float* z,
                       const std::int32_t* labels, float smoothing, const float* t,
                       const Distillation& distillation, float dz_scale, float* loss, float* dz);

}  // namespace trifold::kernels
