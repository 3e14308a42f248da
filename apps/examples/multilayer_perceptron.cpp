/// A multilayer perceptron by hand: tensors, the tape, and gradient descent without an optimiser.
/// Two spirals of points wind around each other. No straight line separates them; two layers do.
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"

using namespace trifold;
using engine::Tensor;
using engine::Var;

namespace {

struct Layer {
  Var w, b;  // (in, out), (out)
};

Layer make_layer(std::int64_t in, std::int64_t out, engine::Random& random) {
  std::vector<float> w(static_cast<std::size_t>(in * out));
  const double deviation = std::sqrt(2.0 / static_cast<double>(in));
  for (float& v : w) v = static_cast<float>(deviation * random.normal());
  // A parameter is a value with a place that collects its gradient.
  return {Var::parameter(Tensor::from({in, out}, w)), Var::parameter(Tensor::zeros({out}))};
}

void descend(Var& parameter, float rate) {
  const Tensor gradient = parameter.gradient->take();
  for (std::int64_t i = 0; i < gradient.size(); ++i) {
    parameter.value.data()[i] -= rate * gradient.data()[i];
  }
}

}  // namespace

int main() {
  constexpr std::int64_t points = 400;
  std::vector<float> positions;       // (points, 2)
  std::vector<std::int32_t> classes;  // (points)
  for (std::int64_t i = 0; i < points; ++i) {
    const double t = static_cast<double>(i) / points;
    const double angle = std::numbers::pi * (3.0 * t + static_cast<double>(i % 2));
    positions.push_back(static_cast<float>(t * std::cos(angle)));
    positions.push_back(static_cast<float>(t * std::sin(angle)));
    classes.push_back(static_cast<std::int32_t>(i % 2));
  }
  const Var x = Var::constant(Tensor::from({points, 2}, positions));
  const Tensor labels = Tensor::from({points}, classes);

  engine::Random seeded(/*seed=*/1);
  Layer layers[] = {make_layer(2, 32, seeded), make_layer(32, 32, seeded),
                    make_layer(32, 2, seeded)};
  Var logits;
  for (int step = 1; step <= 1000; ++step) {
    // The tape records what is computed; kernels::Exec says where, here on this thread alone.
    engine::Tape tape(kernels::Exec{});
    Var y = engine::relu(tape, engine::linear(tape, x, layers[0].w, &layers[0].b));
    y = engine::relu(tape, engine::linear(tape, y, layers[1].w, &layers[1].b));
    logits = engine::linear(tape, y, layers[2].w, &layers[2].b);
    const Var loss = engine::softmax_cross_entropy(tape, logits, labels, /*smoothing=*/0.0f);
    tape.backward(loss);  // leaves d loss / d parameter with every parameter
    for (Layer& layer : layers) {
      descend(layer.w, 0.5f);
      descend(layer.b, 0.5f);
    }
    if (step % 200 == 0) fmt::print("step {:4}  loss {:.4f}\n", step, *loss.value.data());
  }

  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < points; ++i) {
    const float* const row = logits.value.data() + 2 * i;
    correct += (row[1] > row[0]) == (i % 2 == 1);
  }
  fmt::print("{} of {} right\n", correct, points);
  return correct > 9 * points / 10 ? 0 : 1;
}
