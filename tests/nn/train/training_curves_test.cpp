/// Training with each variant of the CPU's kernels: the curves agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/random.h"
#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/resnet.h"
#include "nn/data/cifar.h"
#include "nn/train/trainer.h"
#include "tests/nn/data/support.h"

namespace trifold::nn {
namespace {

using kernels::InstructionSet;
using kernels::cpu::Conv2dAlgorithm;

struct Curve {
  std::vector<double> loss, top1;  // an epoch each
};

class TrainingCurves : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = testing::shared_folder();
    if (folder.empty()) GTEST_SKIP() << "needs CIFAR-10 in ../shared or $TRIFOLD_SHARED";
    std::vector<std::int64_t> first(1280);
    std::iota(first.begin(), first.end(), 0);
    data_ =
        subset(load_cifar10(folder / "cifar-10-batches-bin", std::int64_t{1} << 30).train, first);
  }
  void TearDown() override {
    kernels::release_instruction_set();
    kernels::cpu::force_conv2d_algorithm(std::nullopt);
  }

  /// Two epochs of ResNet-20, whose initial weights are moved by so many units in the last place.
  Curve train(int moved = 0) const {
    Network network(cifar_resnet(20, Shortcut::A, 3, 10));
    initialise(network, 1);
    for (Parameter& p : network.parameters()) {
      float* const values = p.var.value.data();
      for (std::int64_t i = 0; i < p.var.value.size(); ++i) {
        for (int j = 0; j < moved; ++j) values[i] = std::nextafter(values[i], 10.0f);
      }
    }
    TrainOptions options;
    options.epochs = 2;
    options.batch = 64;
    options.lr = 0.05;
    kernels::ThreadPool pool;
    Trainer trainer(network, data_, {{0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f}}, 32, options,
                    {.pool = &pool});
    Curve curve;
    while (!trainer.done()) {
      const auto epoch = trainer.run_epoch([](const Progress&) { return true; });
      curve.loss.push_back(epoch->loss);
      curve.top1.push_back(epoch->top1);
    }
    return curve;
  }

  Dataset data_;
};

// Training amplifies whatever differs, and how far depends on the luck of the roundings: so the
// yardstick is what initial weights moved by a unit or a few in the last place do.
TEST_F(TrainingCurves, AgreeBetweenVariantsWithinTheNoiseOfRounding) {
  constexpr std::size_t epochs = 2;
  const Curve known = train();
  ASSERT_EQ(known.loss.size(), epochs);
  EXPECT_LT(known.loss[1], known.loss[0] - 0.2) << "it should learn";
  double loss_noise = 0, top1_noise = 0;
  for (const int moved : {1, 2, 3, 4}) {
    const Curve curve = train(moved);
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
      loss_noise = std::max(loss_noise, std::abs(curve.loss[epoch] - known.loss[epoch]));
      top1_noise = std::max(top1_noise, std::abs(curve.top1[epoch] - known.top1[epoch]));
    }
  }
  ASSERT_LT(loss_noise, 0.1) << "a yardstick this long measures nothing";
  const auto expect_agreement = [&](const std::string& variant, const Curve& curve) {
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
      SCOPED_TRACE(variant + ", epoch " + std::to_string(epoch + 1));
      EXPECT_NEAR(curve.loss[epoch], known.loss[epoch], 2 * loss_noise);
      EXPECT_NEAR(curve.top1[epoch], known.top1[epoch], 2 * top1_noise);
    }
  };
  kernels::cpu::force_conv2d_algorithm(Conv2dAlgorithm::direct);
  expect_agreement("direct convolutions", train());
  kernels::cpu::force_conv2d_algorithm(std::nullopt);
  const InstructionSet usual = kernels::active_instruction_set();
  for (const InstructionSet set : kernels::supported_instruction_sets()) {
    if (set == usual) continue;
    kernels::force_instruction_set(set);
    expect_agreement(std::string(to_string(set)), train());
  }
}

}  // namespace
}  // namespace trifold::nn
