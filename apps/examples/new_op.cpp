/// An op of one's own, outside of the library: its value, its gradient, and a check of the gradient.
///
/// SiLU, y = x s(x) with the logistic function s(x) = 1 / (1 + exp(-x)); its derivative is
/// s(x) (1 + x (1 - s(x))). Source: Elfwing et al., "Sigmoid-weighted linear units", 2018, section 2.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

using namespace trifold;
using engine::Tape;
using engine::Tensor;
using engine::Var;

namespace {

float logistic(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// An op computes its value and, where a gradient is wanted, records a closure that turns the gradient
// of the result, dy, into that of its input. The closure keeps just what it needs: here x.
Var silu(Tape& tape, const Var& x) {
  Tensor y = Tensor::empty(x.shape());
  std::ranges::transform(x.value.values(), y.values().begin(),
                         [](float v) { return v * logistic(v); });
  Var result = tape.result(std::move(y), {&x});
  tape.record(result, [ex = tape.exec(), x = x.value, dx_sum = x.gradient](const Tensor& dy) {
    Tensor dx = Tensor::empty(dy.shape());
    std::ranges::transform(x.values(), dy.values(), dx.values().begin(), [](float v, float d) {
      const float s = logistic(v);
      return d * s * (1.0f + v * (1.0f - s));
    });
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

// A loss to check it by: the cross-entropy of SiLU's values taken as logits.
float loss_of(const Tensor& x, const Tensor& labels, Tensor* dx) {
  Tape tape(kernels::Exec{}, dx ? Tape::Mode::record : Tape::Mode::no_grad);
  const Var in = Var::parameter(x);
  const Var loss = engine::softmax_cross_entropy(tape, silu(tape, in), labels, 0.0f);
  if (dx) {
    tape.backward(loss);
    *dx = in.gradient->take();
  }
  return *loss.value.data();
}

}  // namespace

int main() {
  const float values[] = {-2.0f, -0.5f, 0.0f, 0.3f, 1.0f, 2.5f};
  const std::int32_t classes[] = {2, 0};
  const Tensor x = Tensor::from({2, 3}, values), labels = Tensor::from({2}, classes);
  Tensor dx;
  loss_of(x, labels, &dx);
  float worst = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    constexpr float step = 1e-2f;  // central differences: the error falls with its square
    Tensor up = x.clone(), down = x.clone();
    up.data()[i] += step;
    down.data()[i] -= step;
    const float slope =
        (loss_of(up, labels, nullptr) - loss_of(down, labels, nullptr)) / (2.0f * step);
    fmt::print("x {:5.2f}  gradient {:9.6f}  by differences {:9.6f}\n", x.data()[i], dx.data()[i],
               slope);
    worst = std::max(worst, std::abs(slope - dx.data()[i]));
  }
  return worst < 1e-4f ? 0 : 1;
}
