/// Differentiable ops. Each checks its inputs, allocates its result, calls one kernel and records
/// its gradient; what it computes stands in the kernel's contract, kernels/<op>.h.
///
/// All tensors are on tape.exec().device. Errors: ShapeError where shapes don't fit together.
#pragma once

#include <cstdint>
#include <span>

#include "engine/tape.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/collective.h"
#include "kernels/distillation.h"
#include "kernels/dropout.h"
#include "kernels/resize.h"
#include "kernels/sigmoid.h"

namespace trifold::engine {

struct ConvGeometry {
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
};

/// x (n,h,w,c), w (r,s,c,k), b (k) or a null pointer -> (n,p,q,k).
Var conv2d(Tape& tape, const Var& x, const Var& w, const Var* b, const ConvGeometry& geometry);

/// x (n,h,w,c), w (r,s,c), b (c) or a null pointer -> (n,p,q,c).
Var depthwise_conv2d(Tape& tape, const Var& x, const Var& w, const Var* b,
                     const ConvGeometry& geometry,
                     kernels::Activation act = kernels::Activation::none);

/// x (n,h,w,c), w (r,s,c/groups,k), b (k) or a null pointer -> (n,p,q,k).
Var grouped_conv2d(Tape& tape, const Var& x, const Var& w, const Var* b, std::int64_t groups,
                   const ConvGeometry& geometry);

/// The learned scale and shift of a batch normalisation and its running statistics, (c) each.
struct BatchNormState {
  const Var* gamma;
  const Var* beta;
  Tensor running_mean;
  Tensor running_var;
  float eps = 1e-5f;
  float momentum = 0.1f;
};

/// How a batch norm gets its statistics: from the batch, moving the running ones, or from the
/// running ones.
enum class Statistics { batch, running };

/// act(batch_norm(x) [+ residual]); residual is a null pointer or has the shape of x.
Var batch_norm(Tape& tape, const Var& x, const BatchNormState& state, Statistics statistics,
               const Var* residual, kernels::Activation act);

/// The same with statistics of the batch, over the samples of all ranks of `group`, which outlives
/// the tape: each calls it with as many samples, and in the same order with its others. The gradients
/// of gamma and beta are of this rank's samples alone, as those of other parameters; that of x is of
/// this rank's loss by its own samples, as the statistics of all move with the losses of all.
/// Numerics  merged in double by the tree of kernels::Collective::sum: the same bits on all ranks.
/// Errors    RankLostError.
Var synchronised_batch_norm(Tape& tape, const Var& x, const BatchNormState& state,
                            const kernels::Collective& group, const Var* residual,
                            kernels::Activation act);

Var relu(Tape& tape, const Var& x);
Var relu6(Tape& tape, const Var& x);
/// One of the functions of kernels/sigmoid.h.
Var sigmoid(Tape& tape, const Var& x, kernels::SigmoidKind kind);
Var add(Tape& tape, const Var& a, const Var& b);

/// Elements that are zeroed at random, by kernels/dropout.h; step (1) is not written to before the
/// gradient is computed.
Var dropout(Tape& tape, const Var& x, float rate, const kernels::DropoutDraws& draws,
            const Tensor& step);

/// x (n,h,w,c) -> (n, c h w), a channel's pixels side by side.
Var flatten(Tape& tape, const Var& x);

/// x (n,h,w,c) -> (n,height,width,c); x itself where the size is the same.
Var resize(Tape& tape, const Var& x, std::int64_t height, std::int64_t width,
           kernels::ResizeFilter filter);

struct PoolGeometry {
  std::int64_t window_h, window_w, stride_h, stride_w, pad_h = 0, pad_w = 0;
};
Var max_pool(Tape& tape, const Var& x, const PoolGeometry& geometry);
Var avg_pool(Tape& tape, const Var& x, const PoolGeometry& geometry);
/// (n,h,w,c) -> (n,c).
Var global_avg_pool(Tape& tape, const Var& x);

/// x (n,in), w (in,out), b (out) or a null pointer -> (n,out).
Var linear(Tape& tape, const Var& x, const Var& w, const Var* b);

/// The inputs' channels one after the other; all other extents are equal.
Var concat(Tape& tape, std::span<const Var> inputs);

/// An in-place concat: begin makes x the first channels of a wider value, and each extend writes y
/// to its channels from `first` on. What reads the value before an extend, as a norm with a
/// deferred result can (engine/fused_ops.h), reads channels below its `first` alone.
Var begin_in_place_concat(Tape& tape, const Var& x, std::int64_t channels);
void extend_in_place_concat(Tape& tape, const Var& wide, const Var& y, std::int64_t first);

/// Output channel j is input channel source[j], or zeros where source[j] is -1, every stride-th
/// pixel of each spatial dimension. x (n,h,w,c), source (k) int32 -> (n, ceil(h/stride),
/// ceil(w/stride), k).
Var channel_gather(Tape& tape, const Var& x, const Tensor& source, std::int64_t stride);

/// x (n,...,c) with each channel of an image times its factor: factor (n,c), or (n,1,1,c).
Var channel_scale(Tape& tape, const Var& x, const Var& factor);

/// The mean over the batch of the cross-entropy: logits (n,classes), labels (n) int32 -> (1).
Var softmax_cross_entropy(Tape& tape, const Var& logits, const Tensor& labels, float smoothing);
/// The mean over the batch of the loss of kernels/distillation.h: teacher (n,classes) are the
/// teacher's logits, which get no gradient.
Var distillation_loss(Tape& tape, const Var& logits, const Tensor& labels, float smoothing,
                      const Tensor& teacher, const kernels::Distillation& distillation);

}  // namespace trifold::engine
