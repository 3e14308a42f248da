#include "kernels/softmax_cross_entropy.h"

#include <numeric>

#include "engine/ops.h"
#include "kernels/elementwise.h"
#include "kernels/error.h"

namespace trifold::engine {

Var softmax_cross_entropy(Tape& tape, const Var& logits, const Tensor& labels, float smoothing) {
  const Shape& zs = logits.shape();
  require<ShapeError>(zs.rank() == 2 && labels.shape() == Shape{zs[0]},
                      "cross-entropy of logits {} with labels {}", to_string(zs),
                      to_string(labels.shape()));
  const kernels::SoftmaxShape s{zs[0], zs[1]};
  const Device device = logits.value.device();
  const bool wanted = tape.recording() && logits.requires_grad();
  Tensor losses = Tensor::empty({s.n}, device);
  Tensor dz = wanted ? Tensor::empty(zs, device) : Tensor{};
  kernels::softmax_cross_entropy(tape.exec(), s, logits.value.data(), labels.ints(), smoothing,
                                 1.0f / static_cast<float>(s.n), losses.data(),
                                 wanted ? dz.data() : nullptr);

  const Tensor host = losses.to(Device{});
  const std::span<const float> values = host.values();
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(s.n);
  Var result = tape.result(Tensor::filled({1}, static_cast<float>(mean), device), {&logits});
  tape.record(result, [ex = tape.exec(), dz, gradient = logits.gradient](const Tensor& dy) {
    if (const float seed = dy.to(Device{}).values()[0]; seed != 1.0f) {
      kernels::scale(ex, dz.size(), seed, dz.data(), dz.data());
    }
    gradient->add(ex, dz);
  });
  return result;
}

}  // namespace trifold::engine
