/// Training with a teacher: the student learns what the teacher knows, and the run has all the
/// properties of one without.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nn/train/network_input.h"
#include "tests/nn/train/trainer_support.h"

namespace trifold::nn {
namespace {

using namespace training_test;

// A student at half the side, and a teacher with a normalisation of its own.
struct TeacherTest : TrainerTest {
  Network original = fresh_teacher();
  static Network fresh_teacher() {
    Network network(cifar_resnet(14, Shortcut::A, 3, 4));
    initialise(network, 2);
    return network;
  }
  TrainOptions taught(double weight = 0.5, double temperature = 4) const {
    TrainOptions o = options();
    o.teacher = {.network = &original,
                 .size = 12,
                 .normalisation = {{0.4f, 0.5f, 0.6f}, {0.2f, 0.3f, 0.4f}},
                 .weight = weight,
                 .temperature = temperature};
    return o;
  }
};

TEST_F(TeacherTest, LearnsFromTheAnswersAlone) {
  {
    TrainOptions o = options();
    o.epochs = 12;
    Trainer trainer(original, data, taught().teacher->normalisation, 12, o, {});
    run_to_end(trainer);
  }
  // Labels that tell nothing: all that can be learnt comes from the teacher.
  Dataset blank = data;
  std::ranges::fill(blank.labels, 0);
  Network student = fresh();
  TrainOptions o = taught(1);
  o.epochs = 12;
  Trainer trainer(student, blank, normalisation, 6, o, {});
  std::vector<double> losses;
  while (!trainer.done()) losses.push_back(trainer.run_epoch(go_on)->loss);
  EXPECT_LT(losses.back(), 0.3 * losses.front());
  EXPECT_GT(evaluate(student, data, normalisation, 6, {}).top1(), 90.0);
}

// The loss of a step, by the definition, from the answers to the images that the teacher is to see.
TEST_F(TeacherTest, TheTeacherSeesTheSameCropsAtItsOwnSide) {
  TrainOptions o = taught(1, 2);
  o.epochs = 1;
  o.batch = data.count;
  // Neither the student's weights nor its normalisation matter: it answers that all are equal.
  Network student = fresh();
  for (const char* name : {"linear.weight", "linear.bias"}) {
    for (float& v : student.parameter(name).var.value.values()) v = 0;
  }
  Trainer trainer(student, data, normalisation, 6, o, {});
  const double loss = trainer.run_epoch(go_on)->loss;

  DeviceLoader loader(data, o.teacher->normalisation,
                      {.batch = data.count, .seed = o.seed, .augmentation = o.augmentation}, {});
  loader.start(0);
  engine::Tape tape({}, engine::Tape::Mode::no_grad);
  const engine::Tensor answers =
      Executor(original)
          .forward(tape, network_input({}, loader.next()->x, 12), inference)
          .logits.value;
  double expected = 0;
  for (std::int64_t i = 0; i < data.count; ++i) {
    double sum = 0, entropy = 0;
    const float* row = answers.data() + 4 * i;
    for (int j = 0; j < 4; ++j) sum += std::exp(row[j] / 2.0);
    for (int j = 0; j < 4; ++j) {
      const double p = std::exp(row[j] / 2.0) / sum;
      entropy -= p * std::log(p);
    }
    expected += 4 * (std::log(4.0) - entropy) / static_cast<double>(data.count);
  }
  EXPECT_GT(expected, 1e-3);
  EXPECT_NEAR(loss, expected, 1e-4 * expected);
}

// Without batch norms, a network in training answers as in inference.
TEST_F(TeacherTest, ATeacherOfEqualParametersTeachesNothing) {
  Graph graph;
  graph.add("input", Input{3}, {});
  graph.add("pool", GlobalAvgPool{}, {0});
  graph.add("linear", Linear{4}, {1});
  Network student(graph);
  initialise(student, 3);
  const Network before = student.clone(), teacher = student.clone();
  TrainOptions o = options();
  o.weight_decay = o.bn_l1 = o.ema_decay = 0;
  o.teacher = {.network = &teacher, .size = 12, .normalisation = normalisation, .weight = 1};
  Trainer trainer(student, data, normalisation, 12, o, {});
  while (!trainer.done()) EXPECT_EQ(trainer.run_epoch(go_on)->loss, 0);
  EXPECT_TRUE(equal(before, student));
}

TEST_F(TeacherTest, ResumesBitByBitAtEveryBatch) {
  Network whole = fresh();
  Trainer reference(whole, data, normalisation, 6, taught(), {});
  run_to_end(reference);
  for (std::int64_t stop = 1; stop < 3 * (data.count / options().batch); ++stop) {
    Network first = fresh(), second = fresh();
    Trainer stopped(first, data, normalisation, 6, taught(), {});
    std::int64_t batches = 0;
    while (!stopped.done() && batches < stop) {
      stopped.run_epoch([&](const Progress&) { return ++batches < stop; });
    }
    stopped.save(checkpoint);
    Trainer trainer(second, data, normalisation, 6, taught(), {});
    trainer.restore(checkpoint);
    run_to_end(trainer);
    EXPECT_TRUE(equal(whole, second)) << "stopped after batch " << stop;
  }
}

TEST_F(TeacherTest, DoesNotDependOnTheNumberOfThreads) {
  Network one = fresh(), three = fresh();
  kernels::ThreadPool pool(3);
  Trainer a(one, data, normalisation, 6, taught(), {});
  Trainer b(three, data, normalisation, 6, taught(), {.pool = &pool});
  run_to_end(a);
  run_to_end(b);
  EXPECT_TRUE(equal(one, three));
}

TEST_F(TeacherTest, LeavesTheTeacherAlone) {
  const Network before = original.clone();
  Network student = fresh();
  Trainer trainer(student, data, normalisation, 6, taught(), {});
  run_to_end(trainer);
  EXPECT_TRUE(equal(before, original));
}

TEST_F(TeacherTest, ATeacherWithoutWeightIsNone) {
  Network with = fresh(), without = fresh();
  Trainer a(with, data, normalisation, 6, taught(0), {});
  Trainer b(without, data, normalisation, 6, options(), {});
  run_to_end(a);
  run_to_end(b);
  EXPECT_TRUE(equal(with, without));
  a.save(checkpoint);
  EXPECT_NO_THROW(b.restore(checkpoint));
}

TEST_F(TeacherTest, RefusesACheckpointOfAnotherTeacher) {
  Network student = fresh();
  Trainer trainer(student, data, normalisation, 6, taught(), {});
  trainer.save(checkpoint);
  const auto expect_refused = [&](const TrainOptions& other, const std::string& part) {
    Network fresh_student = fresh();
    Trainer stranger(fresh_student, data, normalisation, 6, other, {});
    try {
      stranger.restore(checkpoint);
      ADD_FAILURE() << "the checkpoint was taken: " << part;
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  expect_refused(options(), "teacher_crc32");
  expect_refused(taught(0.6), "teacher_weight = 0.5, not 0.6");
  expect_refused(taught(0.5, 3), "teacher_temperature = 4");
  TrainOptions other = taught();
  other.teacher->size = 8;
  expect_refused(other, "teacher_crc32");
  other = taught();
  other.teacher->normalisation.std[1] = 0.35f;
  expect_refused(other, "teacher_crc32");
  // Statistics that just inference reads.
  Network moved = original.clone();
  moved.parameter("bn1.running_mean").var.value.values()[3] += 0.1f;
  other = taught();
  other.teacher->network = &moved;
  expect_refused(other, "teacher_crc32");
  Trainer same(student, data, normalisation, 6, taught(), {});
  EXPECT_NO_THROW(same.restore(checkpoint));

  Trainer untaught(student, data, normalisation, 6, options(), {});
  untaught.save(checkpoint);
  expect_refused(taught(), "teacher_crc32");
}

TEST_F(TeacherTest, RefusesATeacherThatDoesNotFit) {
  Network student = fresh();
  Network grey(cifar_resnet(8, Shortcut::A, 1, 4)), many(cifar_resnet(8, Shortcut::A, 3, 5));
  const auto with = [&](const auto& spoil) {
    TrainOptions o = taught();
    spoil(*o.teacher);
    return o;
  };
  for (const auto& [spoil, part] :
       std::vector<std::pair<std::function<void(Teacher&)>, std::string>>{
           {[](Teacher& t) { t.weight = -0.1; }, "weight is -0.1"},
           {[](Teacher& t) { t.weight = 1.1; }, "weight is 1.1"},
           {[](Teacher& t) { t.weight = std::nan(""); }, "weight is nan"},
           {[](Teacher& t) { t.temperature = 0; }, "temperature is 0"},
           {[](Teacher& t) { t.temperature = HUGE_VAL; }, "temperature is inf"},
           {[](Teacher& t) { t.size = 0; }, "0x0 pixels"},
           {[](Teacher& t) { t.network = nullptr; }, "device"},
           {[&](Teacher& t) { t.network = &grey; }, "1 channels"},
           {[&](Teacher& t) { t.network = &many; }, "5 classes"}}) {
    try {
      Trainer(student, data, normalisation, 6, with(spoil), {});
      ADD_FAILURE() << "it was taken: " << part;
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace trifold::nn
