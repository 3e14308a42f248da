/// The loss with a teacher: value and gradient of the mean against finite differences of the reference.
#include <array>

#include "engine/ops.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/distillation.h"

namespace trifold::engine {
namespace {

constexpr std::int64_t rows = 7, classes = 5;
constexpr std::array<std::int32_t, rows> labels{0, 4, 2, 2, 1, 3, 0};
constexpr float smoothing = 0.1f;

double mean_loss(const Doubles& z, const Doubles& t, const kernels::Distillation& d) {
  double sum = 0;
  for (const double loss :
       oracle::distillation_loss(classes, z, {labels.begin(), labels.end()}, double{smoothing}, t,
                                 {d.weight, d.temperature})) {
    sum += loss;
  }
  return sum / static_cast<double>(rows);
}

class DistillationLoss : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, DistillationLoss, testing::ValuesIn(devices()), name_of);

TEST_P(DistillationLoss, AgreesWithFiniteDifferences) {
  const Device device = GetParam();
  kernels::ThreadPool threads(2);
  const Tensor answers = Tensor::from(Shape{rows}, labels, device);
  const Tensor teacher = uniform({rows, classes}, 2, device);
  const Doubles t = doubles(teacher);
  for (const kernels::Distillation d :
       {kernels::Distillation{0, 4}, {0.5, 4}, {0.9, 0.7}, {1, 2}}) {
    const Var logits = Var::parameter(uniform({rows, classes}, 1, device));
    Doubles z = doubles(logits.value);
    Tape tape({.device = device, .pool = &threads});
    const Var loss = distillation_loss(tape, logits, answers, smoothing, teacher, d);
    EXPECT_NEAR(doubles(loss.value)[0], mean_loss(z, t, d), 1e-6);
    // Three times the loss, for the gradient that reaches it counts.
    tape.backward(inner_product(tape, loss, Tensor::filled({1}, 3, device)));

    constexpr double step = 1e-5;
    Doubles expected;
    for (double& value : z) {
      const double centre = value;
      value = centre + step;
      const double up = mean_loss(z, t, d);
      value = centre - step;
      const double down = mean_loss(z, t, d);
      value = centre;
      expected.push_back(3 * (up - down) / (2 * step));
    }
    EXPECT_GT(norm(expected), 1e-2);
    EXPECT_LT(relative_error(logits.gradient->sum(), expected), 1e-6) << d.weight;
  }
}

TEST_P(DistillationLoss, OfTheTeachersOwnAnswersIsZeroWithoutLabels) {
  const Device device = GetParam();
  const Var logits = Var::parameter(uniform({rows, classes}, 1, device));
  Tape tape({.device = device});
  const Var loss = distillation_loss(tape, logits, Tensor::from(Shape{rows}, labels, device),
                                     smoothing, logits.value, {1, 4});
  tape.backward(loss);
  EXPECT_EQ(doubles(loss.value)[0], 0);
  EXPECT_EQ(norm(doubles(logits.gradient->sum())), 0);
}

}  // namespace
}  // namespace trifold::engine
