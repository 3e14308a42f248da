/// Whole networks on every device: training there is training on the CPU, up to rounding, and the
/// same bits each time, launched one by one or repeated as a graph.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "engine/random.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/grouped_network.h"

namespace trifold::nn {
namespace {

constexpr std::int64_t side = 8, classes = 4;

std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (kernels::device_count(DeviceKind::cuda) > 0) all.push_back({DeviceKind::cuda, 0});
  return all;
}

// Noise whose brightness tells the class.
Dataset brightness(std::int64_t count) {
  Dataset data;
  data.name = "brightness";
  data.count = count;
  data.height = data.width = side;
  data.channels = 3;
  data.classes = classes;
  engine::Random random(3);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % classes);
    data.labels.push_back(label);
    for (std::int64_t p = 0; p < data.image_bytes(); ++p) {
      data.pixels.push_back(static_cast<std::uint8_t>(50 * label + random.uniform_int(50)));
    }
  }
  for (std::int64_t c = 0; c < classes; ++c) data.class_names.push_back(std::to_string(c));
  return data;
}

struct Result {
  std::vector<double> losses;     // the mean so far, after each step
  std::vector<float> parameters;  // and their averages
  Evaluation evaluation;
};

/// A teacher sees the images at the network's double side and with another normalisation.
Result train_ten_steps(const Graph& graph, const Graph* teacher_graph, const Dataset& data,
                       Device device, bool as_graph = false) {
  kernels::ThreadPool threads(2);
  const kernels::Exec ex{.device = device, .pool = &threads};
  const Normalisation normalisation = measure_normalisation(data);
  Network fresh(graph);
  initialise(fresh, 1);
  Network network = fresh.to(device);
  TrainOptions options;
  options.epochs = 2;
  options.batch = 8;
  options.lr = 1e-3;  // A large one makes chaos of rounding errors within a few steps.
  options.ema_decay = 0.9;
  options.augmentation = Augmentation{1, true};
  options.graph = as_graph;
  std::optional<Network> teacher;
  if (teacher_graph != nullptr) {
    Network answering(*teacher_graph);
    initialise(answering, 2);
    teacher = answering.to(device);
    options.teacher = {.network = &*teacher,
                       .size = 2 * side,
                       .normalisation = {{0.4f, 0.5f, 0.6f}, {0.2f, 0.3f, 0.4f}}};
  }
  Trainer trainer(network, data, normalisation, side, options, ex);
  Result result;
  while (!trainer.done()) {
    trainer.run_epoch([&](const Progress& progress) {
      result.losses.push_back(progress.loss());
      return true;
    });
  }
  EXPECT_EQ(trainer.repeats_graph(), as_graph) << trainer.graph_obstacle();
  const Network averaged = trainer.averaged();
  for (const Network* n : {&std::as_const(network), &averaged}) {
    for (const Parameter& p : n->parameters()) {
      const engine::Tensor host = p.var.value.to(Device{});
      result.parameters.insert(result.parameters.end(), host.values().begin(), host.values().end());
    }
  }
  result.evaluation = evaluate(network, data, normalisation, side, ex, 8);
  return result;
}

class OnDevice : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, OnDevice, testing::ValuesIn(devices()), [](const auto& device) {
  return std::string(device.param.kind == DeviceKind::cpu ? "cpu" : "cuda");
});

void expect_equal_bits(const Result& a, const Result& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.evaluation.loss, b.evaluation.loss);
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  EXPECT_EQ(
      std::memcmp(a.parameters.data(), b.parameters.data(), a.parameters.size() * sizeof(float)),
      0);
}

/// Under a memory checker blocks aren't kept, so that no step can be recorded.
bool keeps_memory() {
  const char* cache = std::getenv("TRIFOLD_CUDA_CACHE");
  return cache == nullptr || std::string(cache) != "0";
}

void expect_the_cpus_training(const Graph& graph, Device device, const Graph* teacher = nullptr) {
  const Dataset data = brightness(40);
  const Result expected = train_ten_steps(graph, teacher, data, Device{});
  const Result first = train_ten_steps(graph, teacher, data, device);
  ASSERT_EQ(first.losses.size(), 10u);
  for (std::size_t i = 0; i < first.losses.size(); ++i) {
    EXPECT_NEAR(first.losses[i], expected.losses[i], 1e-4) << "step " << i + 1;
  }
  EXPECT_NEAR(first.evaluation.loss, expected.evaluation.loss, 1e-3);

  expect_equal_bits(first, train_ten_steps(graph, teacher, data, device));
  if (device.kind == DeviceKind::cuda && keeps_memory()) {
    expect_equal_bits(first, train_ten_steps(graph, teacher, data, device, true));
  }
}

TEST_P(OnDevice, ResNetTrainsAsOnTheCpu) {
  expect_the_cpus_training(cifar_resnet(20, Shortcut::A, 3, classes), GetParam());
}

TEST_P(OnDevice, DenseNetTrainsAsOnTheCpu) {
  const DenseNetSize size{
      .layers_per_block = 2, .growth = 5, .bottleneck = true, .compression = 0.5};
  expect_the_cpus_training(densenet(size, 3, classes), GetParam());
}

TEST_P(OnDevice, InvertedResidualsTrainAsOnTheCpu) {
  expect_the_cpus_training(inverted_residuals(classes), GetParam());
}

TEST_P(OnDevice, ConvolutionsInGroupsTrainAsOnTheCpu) {
  expect_the_cpus_training(grouped_bottlenecks(classes), GetParam());
}

TEST_P(OnDevice, AFlattenedNetworkTrainsAsOnTheCpu) {
  expect_the_cpus_training(flattened(classes), GetParam());
}

TEST_P(OnDevice, ATaughtNetworkTrainsAsOnTheCpu) {
  const Graph teacher = cifar_resnet(14, Shortcut::A, 3, classes);
  expect_the_cpus_training(cifar_resnet(8, Shortcut::A, 3, classes), GetParam(), &teacher);
}

}  // namespace
}  // namespace trifold::nn
