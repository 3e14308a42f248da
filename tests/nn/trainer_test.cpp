/// Training: it learns, it resumes bit by bit, it does not depend on threads, it stops when it
/// diverges.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "engine/random.h"
#include "kernels/error.h"
#include "kernels/thread_pool.h"
#include "nn/arch/architectures.h"
#include "nn/train/evaluate.h"
#include "nn/train/trainer.h"

namespace trifold::nn {
namespace {

// Noise whose brightness tells the class.
Dataset brightness(std::int64_t count) {
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

TrainOptions options() {
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

Network fresh() {
  Network network(cifar_resnet(8, Shortcut::A, 3, 4));
  initialise(network, 1);
  return network;
}

bool equal(const Network& a, const Network& b) {
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    const engine::Tensor &x = a.parameters()[i].var.value, &y = b.parameters()[i].var.value;
    if (std::memcmp(x.data(), y.data(), static_cast<std::size_t>(x.bytes())) != 0) return false;
  }
  return true;
}

const auto go_on = [](const Progress&) { return true; };

void run_to_end(Trainer& trainer) {
  while (!trainer.done()) trainer.run_epoch(go_on);
}

struct TrainerTest : testing::Test {
  Dataset data = brightness(40);
  Normalisation normalisation = measure_normalisation(data);
  std::filesystem::path checkpoint =
      std::filesystem::temp_directory_path() / ("trifold-trainer-" + std::to_string(getpid()));
  void TearDown() override { std::filesystem::remove(checkpoint); }
};

TEST_F(TrainerTest, Learns) {
  Network network = fresh();
  TrainOptions o = options();
  o.epochs = 12;
  Trainer trainer(network, data, normalisation, 12, o, {});
  run_to_end(trainer);
  EXPECT_GT(evaluate(network, data, normalisation, 12, {}).top1(), 95.0);
}

TEST_F(TrainerTest, ResumesBitByBitAtEveryBatch) {
  Network whole = fresh();
  Trainer reference(whole, data, normalisation, 8, options(), {});
  run_to_end(reference);
  for (std::int64_t stop = 1; stop < 3 * (data.count / options().batch); ++stop) {
    Network first = fresh();
    {
      Trainer trainer(first, data, normalisation, 8, options(), {});
      std::int64_t batches = 0;
      while (!trainer.done() && batches < stop) {
        trainer.run_epoch([&](const Progress&) { return ++batches < stop; });
      }
      trainer.save(checkpoint, "note");
    }
    Network second = fresh();
    Trainer trainer(second, data, normalisation, 8, options(), {});
    EXPECT_EQ(trainer.restore(checkpoint), "note");
    run_to_end(trainer);
    EXPECT_TRUE(equal(whole, second)) << "stopped after batch " << stop;
    EXPECT_TRUE(equal(reference.averaged(), trainer.averaged())) << "stopped after batch " << stop;
  }
}

TEST_F(TrainerTest, DoesNotDependOnTheNumberOfThreads) {
  Network one = fresh(), three = fresh();
  kernels::ThreadPool pool(3);
  Trainer a(one, data, normalisation, 12, options(), {});
  Trainer b(three, data, normalisation, 12, options(), {.pool = &pool});
  run_to_end(a);
  run_to_end(b);
  EXPECT_TRUE(equal(one, three));
}

TEST_F(TrainerTest, RefusesACheckpointOfOtherOptions) {
  Network network = fresh();
  Trainer trainer(network, data, normalisation, 12, options(), {});
  trainer.save(checkpoint);
  TrainOptions other = options();
  other.lr = 0.06;
  Trainer stranger(network, data, normalisation, 12, other, {});
  EXPECT_THROW(stranger.restore(checkpoint), FileError);
}

TEST_F(TrainerTest, StopsWhenTheLossIsNotFinite) {
  Network network = fresh();
  TrainOptions o = options();
  o.lr = 1e30;
  Trainer trainer(network, data, normalisation, 12, o, {});
  EXPECT_THROW(run_to_end(trainer), DivergedError);
}

TEST_F(TrainerTest, HoldsNoMoreMemoryAfterEachEpoch) {
  Network network = fresh();
  Trainer trainer(network, data, normalisation, 12, options(), {});
  trainer.run_epoch(go_on);
  const std::int64_t after_first = engine::memory_use({}).now_bytes;
  trainer.run_epoch(go_on);
  EXPECT_EQ(engine::memory_use({}).now_bytes, after_first);
}

TEST_F(TrainerTest, SaysWhyThereIsNoGraph) {
  Network plain = fresh(), wanted = fresh();
  TrainOptions o = options();
  Trainer a(plain, data, normalisation, 12, o, {});
  o.graph = true;
  Trainer b(wanted, data, normalisation, 12, o, {});
  EXPECT_EQ(a.graph_obstacle(), "");
  EXPECT_NE(b.graph_obstacle().find("CUDA"), std::string::npos);
  run_to_end(a);
  run_to_end(b);
  EXPECT_TRUE(equal(plain, wanted));
}

/// A checkpoint is never one of a run that has diverged.
TEST_F(TrainerTest, RefusesToSaveWhatHasDiverged) {
  Network network = fresh();
  TrainOptions o = options();
  o.lr = 1e30;
  Trainer trainer(network, data, normalisation, 12, o, {});
  std::int64_t batches = 0;
  trainer.run_epoch([&](const Progress&) { return ++batches < 3; });
  EXPECT_THROW(trainer.save(checkpoint), DivergedError);
  EXPECT_FALSE(std::filesystem::exists(checkpoint));
}

TEST_F(TrainerTest, RefusesOptionsOutOfRange) {
  Network network = fresh();
  for (const auto& spoil : std::vector<std::function<void(TrainOptions&)>>{
           [](TrainOptions& o) { o.epochs = 0; }, [](TrainOptions& o) { o.batch = 0; },
           [](TrainOptions& o) { o.lr = -1; }, [](TrainOptions& o) { o.momentum = 1; },
           [](TrainOptions& o) { o.label_smoothing = -0.1; },
           [](TrainOptions& o) { o.schedule.warmup_epochs = 3; }}) {
    TrainOptions o = options();
    spoil(o);
    EXPECT_THROW(Trainer(network, data, normalisation, 12, o, {}), ConfigError);
  }
}

}  // namespace
}  // namespace trifold::nn
