/// What the tests of training share: small data, options, networks, and a file for a checkpoint.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/resnet.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"

namespace trifold::nn::training_test {

// Noise whose brightness tells the class.
inline Dataset brightness(std::int64_t count) {
  Dataset data;
  data.name = "brightness";
  data.count = count;
  data.height = data.width = 12;
  data.channels = 3;
  data.classes = 4;
  engine::Random random(3);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % data.classes);
    data.labels.push_back(label);
    for (std::int64_t p = 0; p < data.image_bytes(); ++p) {
      data.pixels.push_back(static_cast<std::uint8_t>(50 * label + random.uniform_int(50)));
    }
  }
  for (std::int64_t c = 0; c < data.classes; ++c) data.class_names.push_back(std::to_string(c));
  return data;
}

inline TrainOptions options() {
  TrainOptions o;
  o.epochs = 3;
  o.batch = 8;
  o.lr = 0.05;
  o.bn_l1 = 1e-4;
  o.label_smoothing = 0.1;
  o.ema_decay = 0.9;
  o.seed = 5;
  o.augmentation = Augmentation{2, true};
  return o;
}

inline Network fresh() {
  Network network(cifar_resnet(8, Shortcut::A, 3, 4));
  initialise(network, 1);
  return network;
}

inline bool equal(const Network& a, const Network& b) {
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    const engine::Tensor &x = a.parameters()[i].var.value, &y = b.parameters()[i].var.value;
    if (std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.bytes())) != 0) return false;
  }
  return true;
}

inline const auto go_on = [](const Progress&) { return true; };

inline void run_to_end(Trainer& trainer) {
  while (!trainer.done()) trainer.run_epoch(go_on);
}

struct TrainerTest : ::testing::Test {
  Dataset data = brightness(40);
  Normalisation normalisation = measure_normalisation(data);
  std::filesystem::path checkpoint =
      std::filesystem::temp_directory_path() / ("trifold-trainer-" + std::to_string(getpid()));
  void TearDown() override { std::filesystem::remove(checkpoint); }
};

}  // namespace trifold::nn::training_test
