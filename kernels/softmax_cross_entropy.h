/// Softmax and cross-entropy with label smoothing.
///
/// Reference tests/oracle/softmax_cross_entropy.h;
///           test tests/kernels/softmax_cross_entropy_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct SoftmaxShape {
  std::int64_t n, classes;
};

/// Throws ShapeError unless every extent is >= 1.
void check(const SoftmaxShape& s);

/// loss[n] = - sum over j of t[n,j] log softmax(z[n])_j, with the smoothed target t = (1 -
/// smoothing) onehot(label) + smoothing / classes; dz[n] = (softmax(z[n]) - t[n]) dz_scale. With
/// dz_scale = 1 / n, dz is the gradient of the mean loss.
/// Shapes    z (n,classes), labels (n), loss (n), dz (n,classes) or null; on ex.device.
/// Effects   overwrites loss and dz; dz may be z.
/// Errors    ShapeError: an extent < 1; on the CPU also a label outside [0, classes).
/// Numerics  the row's maximum is subtracted first; relative error of loss below classes 2^-22.
void softmax_cross_entropy(const Exec& ex, const SoftmaxShape& s, const float* z,
                           const std::int32_t* labels, float smoothing, float dz_scale, float* loss,
                           float* dz);

/// The number of rows whose largest logit (the first of equals) is the label. NaN never counts.
/// Effects   overwrites *correct, on ex.device.
void count_top1(const Exec& ex, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                std::int32_t* correct);

/// What is reported of many batches: sums over their images.
struct Totals {
  double loss = 0;
  std::int64_t correct = 0;
};

/// totals->loss += n mean_loss, totals->correct += what count_top1 counts: a device keeps the
/// account of a run by itself, and is asked for it only when it is reported.
/// Shapes    mean_loss (1), as engine::softmax_cross_entropy gives it; totals on ex.device.
void add_to_totals(const Exec& ex, const SoftmaxShape& s, const float* z,
                   const std::int32_t* labels, const float* mean_loss, Totals* totals);

}  // namespace trifold::kernels
