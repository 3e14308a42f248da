#include "kernels/softmax_cross_entropy.h"

#include <utility>

#include "engine/ops.h"
#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

/// The mean of the losses that compute(shape, dz_scale, loss, dz) gives, with dz null where no
/// gradient is wanted.
template <class Compute>
Var mean_loss(Tape& tape, const Var& logits, const Tensor& labels, const Compute& compute) {
  const Shape& zs = logits.shape();
  require<ShapeError>(zs.rank() == 2 && labels.shape() == Shape{zs[0]},
                      "cross-entropy of logits {} with labels {}", to_string(zs),
                      to_string(labels.shape()));
  const kernels::SoftmaxShape s{zs[0], zs[1]};
  const Device device = logits.value.device();
  const bool wanted = tape.recording() && logits.requires_grad();
  Tensor losses = Tensor::empty({s.n}, device);
  Tensor dz = wanted ? Tensor::empty(zs, device) : Tensor{};
  compute(s, 1.0f / static_cast<float>(s.n), losses.data(), wanted ? dz.data() : nullptr);

  // The loss and its gradient stay on the device: a GPU is never waited for.
  Tensor mean = Tensor::empty({1}, device);
  kernels::mean(tape.exec(), s.n, losses.data(), mean.data());
  Var result = tape.result(std::move(mean), {&logits});
  tape.record(result, [ex = tape.exec(), dz, gradient = logits.gradient](const Tensor& dy) {
    kernels::scale_by(ex, dz.size(), dy.data(), dz.data(), dz.data());
    gradient->add(ex, dz);
  });
  return result;
}

}  // namespace

Var softmax_cross_entropy(Tape& tape, const Var& logits, const Tensor& labels, float smoothing) {
  return mean_loss(tape, logits, labels,
                   [&](const auto& s, float dz_scale, float* loss, float* dz) {
                     kernels::softmax_cross_entropy(tape.exec(), s, logits.value.data(),
                                                    labels.ints(), smoothing, dz_scale, loss, dz);
                   });
}

Var distillation_loss(Tape& tape, const Var& logits, const Tensor& labels, float smoothing,
                      const Tensor& teacher, const kernels::Distillation& distillation) {
  require<ShapeError>(teacher.shape() == logits.shape(),
                      "distillation of a teacher's logits {} into logits {}",
                      to_string(teacher.shape()), to_string(logits.shape()));
  return mean_loss(
      tape, logits, labels, [&](const auto& s, float dz_scale, float* loss, float* dz) {
        kernels::distillation_loss(tape.exec(), s, logits.value.data(), labels.ints(), smoothing,
                                   teacher.data(), distillation, dz_scale, loss, dz);
      });
}

}  // namespace trifold::engine
