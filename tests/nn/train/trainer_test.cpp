/// Training: it learns, it resumes bit by bit, it does not depend on threads, it stops when it
/// diverges.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/safetensors.h"
#include "tests/nn/flatten_network.h"
#include "tests/nn/train/trainer_support.h"

namespace trifold::nn {
namespace {

using namespace training_test;

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

// A step's draws are a function of the seed and its number.
TEST_F(TrainerTest, DropoutsDrawAnewEachStepAndResume) {
  const auto rows = [](float rate) {
    Network network(flattened(4, rate));
    initialise(network, 1);
    return network;
  };
  const auto trained = [&](float rate, std::uint64_t seed, std::int64_t stop,
                           const kernels::Exec& ex) {
    Network network = rows(rate);
    TrainOptions o = options();
    o.seed = seed;
    std::int64_t batches = 0;
    {
      Trainer trainer(network, data, normalisation, 8, o, ex);
      while (!trainer.done() && batches < stop) {
        trainer.run_epoch([&](const Progress&) { return ++batches < stop; });
      }
      if (trainer.done()) return network;
      trainer.save(checkpoint);
    }
    Network second = rows(rate);
    Trainer trainer(second, data, normalisation, 8, o, ex);
    trainer.restore(checkpoint);
    run_to_end(trainer);
    return second;
  };
  constexpr std::int64_t never = 1000;
  const Network whole = trained(0.25f, 5, never, {});
  for (const std::int64_t stop : {1, 7}) {
    EXPECT_TRUE(equal(whole, trained(0.25f, 5, stop, {}))) << "stopped after batch " << stop;
  }
  kernels::ThreadPool pool(3);
  EXPECT_TRUE(equal(whole, trained(0.25f, 5, never, {.pool = &pool})));
  EXPECT_FALSE(equal(whole, trained(0.0f, 5, never, {}))) << "nothing was dropped";

  // In inference nothing is.
  const Network plain = rows(0.0f), dropping = rows(0.9f);
  EXPECT_EQ(evaluate(plain, data, normalisation, 8, {}).loss,
            evaluate(dropping, data, normalisation, 8, {}).loss);

  // The same images and weights at another step.
  const Executor executor(dropping);
  const auto logits = [&](float step) {
    const DropoutSource source{5, engine::Tensor::filled({1}, step)};
    ForwardMode mode = training;
    mode.dropout = &source;
    engine::Tape tape({}, engine::Tape::Mode::no_grad);
    const engine::Var images = engine::Var::constant(engine::Tensor::filled({4, 8, 8, 3}, 0.5f));
    const auto values = executor.forward(tape, images, mode).logits.value;
    return std::vector<float>(values.values().begin(), values.values().end());
  };
  EXPECT_EQ(logits(3), logits(3));
  EXPECT_NE(logits(3), logits(4));
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

TEST_F(TrainerTest, ResizesByTheFilterThatItIsGivenAndKeepsToIt) {
  constexpr auto plain = kernels::ResizeFilter::plain;
  Network one = fresh(), other = fresh();
  TrainOptions o = options();
  o.epochs = 1;
  Trainer antialias(one, data, normalisation, 7, o, {}),
      plainly(other, data, normalisation, {7, plain}, o, {});
  plainly.save(checkpoint);
  try {
    antialias.restore(checkpoint);
    FAIL() << "the checkpoint was taken";
  } catch (const OtherRunError& e) {
    EXPECT_EQ(e.key, "resize") << e.what();
  }
  // One of before there was a choice is continued as it was begun.
  const auto forget = [&] {
    engine::SafetensorsFile file = engine::read_safetensors(checkpoint);
    nlohmann::json run = nlohmann::json::parse(file.metadata.at("trifold.run"));
    run.erase("resize");
    file.metadata["trifold.run"] = run.dump();
    engine::write_safetensors(checkpoint, file.metadata, file.tensors);
  };
  forget();
  EXPECT_THROW(plainly.restore(checkpoint), OtherRunError);
  antialias.save(checkpoint);
  forget();
  antialias.restore(checkpoint);
  run_to_end(antialias);
  run_to_end(plainly);
  EXPECT_FALSE(equal(one, other));
  EXPECT_NE(evaluate(other, data, normalisation, 7, {}).loss,
            evaluate(other, data, normalisation, {7, plain}, {}).loss);
}

TEST_F(TrainerTest, RefusesACheckpointOfOtherOptions) {
  Network network = fresh();
  Trainer trainer(network, data, normalisation, 12, options(), {});
  trainer.save(checkpoint);
  TrainOptions other = options();
  other.lr = 0.06;
  Trainer stranger(network, data, normalisation, 12, other, {});
  try {
    stranger.restore(checkpoint);
    FAIL() << "the checkpoint was taken";
  } catch (const OtherRunError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("started with lr = 0.05, not 0.06"), std::string::npos) << text;
    EXPECT_EQ(e.key, "lr");
    EXPECT_EQ(text.find("momentum"), std::string::npos) << text;
  }
  Dataset renamed = data;
  std::swap(renamed.class_names[0], renamed.class_names[1]);
  Trainer confused(network, renamed, normalisation, 12, options(), {});
  EXPECT_THROW(confused.restore(checkpoint), ConfigError);
  Dataset retouched = data;
  retouched.pixels[5] ^= 1;
  Trainer misled(network, retouched, normalisation, 12, options(), {});
  EXPECT_THROW(misled.restore(checkpoint), ConfigError);
}

TEST_F(TrainerTest, StopsWhenTheLossIsNotFinite) {
  Network network = fresh();
  TrainOptions o = options();
  o.lr = 1e30;
  Trainer trainer(network, data, normalisation, 12, o, {});
  EXPECT_THROW(run_to_end(trainer), DivergedError);
}

// The loss of the only step is that of the network before it.
TEST_F(TrainerTest, StopsWhenTheLastStepDiverges) {
  Network network = fresh();
  TrainOptions o = options();
  o.epochs = 1;
  o.batch = data.count;
  o.lr = 1e300;
  Trainer trainer(network, data, normalisation, 12, o, {});
  EXPECT_THROW(run_to_end(trainer), DivergedError);
}

// Training doesn't read running statistics, so that its loss stays as it is.
TEST_F(TrainerTest, StopsWhenRunningStatisticsAreNotFinite) {
  for (const char* name : {"bn1.running_mean", "layer3.0.bn2.running_var"}) {
    Network network = fresh();
    network.parameter(name).var.value.values()[1] = std::numeric_limits<float>::infinity();
    Trainer trainer(network, data, normalisation, 12, options(), {});
    try {
      run_to_end(trainer);
      ADD_FAILURE() << name;
    } catch (const DivergedError& e) {
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos) << e.what();
    }
  }
}

// The last good checkpoint stays.
TEST_F(TrainerTest, RefusesToSaveAnyStateThatIsNotFinite) {
  Network network = fresh();
  Trainer trainer(network, data, normalisation, 12, options(), {});
  std::int64_t batches = 0;
  trainer.run_epoch([&](const Progress&) { return ++batches < 2; });
  trainer.save(checkpoint, "good");
  float& value = network.parameter("bn1.running_var").var.value.values()[0];
  const float before = std::exchange(value, std::nanf(""));
  EXPECT_THROW(trainer.save(checkpoint, "bad"), DivergedError);
  value = before;
  EXPECT_EQ(trainer.restore(checkpoint), "good");
}

TEST_F(TrainerTest, EvaluatesToNumbersAlone) {
  Network network = fresh();
  for (const char* name : {"conv1.weight", "bn1.weight", "linear.weight"}) {
    for (float& v : network.parameter(name).var.value.values()) v = 1e30f;
  }
  EXPECT_THROW(evaluate(network, data, normalisation, 12, {}), DivergedError);
}

// average += (1 - d) (w - average) with d = min(0.9, (1 + n) / (10 + n)) at update n.
TEST_F(TrainerTest, AveragesLittleOfTheStart) {
  Network network = fresh();
  const auto weights = [](const Network& n) {
    const auto values = n.parameter("conv1.weight").var.value.values();
    return std::vector<double>(values.begin(), values.end());
  };
  std::vector<double> expected = weights(network);
  Trainer trainer(network, data, normalisation, 12, options(), {});
  double updates = 0;
  while (trainer.epochs_done() < 2) {
    trainer.run_epoch([&](const Progress&) {
      const double decay = std::min(0.9, (1 + updates) / (10 + updates));
      const std::vector<double> now = weights(network);
      for (std::size_t i = 0; i < now.size(); ++i) {
        expected[i] += (1 - decay) * (now[i] - expected[i]);
      }
      ++updates;
      return true;
    });
  }
  EXPECT_EQ(updates, 10);
  const std::vector<double> found = weights(trainer.averaged());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5);
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
