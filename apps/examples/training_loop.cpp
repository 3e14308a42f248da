/// A training loop: a built-in network, a data set, batches, a step of training, and an evaluation.
///
/// nn::Trainer does the same with schedules, checkpoints and averages; this is what is inside.
#include <fmt/format.h>

#include <exception>

#include "kernels/runtime/thread_pool.h"
#include "nn/arch/architectures.h"
#include "nn/data/device_loader.h"
#include "nn/data/normalisation.h"
#include "nn/data/source.h"
#include "nn/execute/executor.h"
#include "nn/train/evaluate.h"
#include "nn/train/running_totals.h"
#include "nn/train/sgd.h"

using namespace trifold;

int main() try {
  kernels::ThreadPool threads;
  const kernels::Exec ex{.pool = &threads};

  // A tenth of Fashion-MNIST, each class with its share. The test set stays for the final figure.
  const nn::DataSplits data = nn::load_data("fashion-mnist");
  const nn::Dataset train = nn::split_held_out(data.train, 6000, /*seed=*/0).held_out;
  const nn::Normalisation normalisation = nn::measure_normalisation(train);

  nn::Network network(nn::make_architecture("resnet8", train.channels, train.classes));
  nn::initialise(network, /*seed=*/0);
  const nn::Executor executor(network);
  nn::Sgd sgd(network, {.momentum = 0.9, .nesterov = true, .weight_decay = 1e-4}, ex);
  nn::DeviceLoader loader(train, normalisation, {.batch = 100, .augmentation = nn::Augmentation{}},
                          ex);

  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    sgd.set_learning_rate(epoch == 0 ? 0.1 : 0.01);
    nn::RunningTotals totals(ex);
    loader.start(epoch);
    while (const std::optional<nn::DeviceBatch> batch = loader.next()) {
      engine::Tape tape(ex);
      const engine::Var images = engine::Var::constant(batch->x);  // (n, h, w, c)
      const engine::Var logits = executor.forward(tape, images, nn::training).logits;
      const engine::Var loss = engine::softmax_cross_entropy(tape, logits, batch->labels, 0.0f);
      totals.add(logits.value, batch->labels, loss.value);
      tape.backward(loss);
      sgd.step(network);
    }
    const kernels::Totals sums = totals.read();
    const auto images = static_cast<double>(train.count);
    fmt::print("epoch {}  loss {:.4f}  {:.2f} % of the training images right\n", epoch + 1,
               sums.loss / images, 100.0 * static_cast<double>(sums.correct) / images);
  }

  const nn::Evaluation test = nn::evaluate(network, data.test, normalisation, train.height, ex);
  fmt::print("test top-1 {:.2f} %, loss {:.4f}\n", test.top1(), test.loss);
  return test.top1() > 60 ? 0 : 1;
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
