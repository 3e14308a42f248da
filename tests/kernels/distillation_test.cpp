#include "kernels/distillation.h"

#include <limits>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/distillation.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Labels = std::vector<std::int32_t>;

constexpr float infinity = std::numeric_limits<float>::infinity();

Labels labels_for(const SoftmaxShape& s, std::uint64_t seed) {
  Labels labels(index(s.n));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] =
        static_cast<std::int32_t>(random_bits(seed, i) % static_cast<std::uint64_t>(s.classes));
  }
  return labels;
}

void expect_the_oracles(const SoftmaxShape& s, const Floats& z, const Floats& t, float smoothing,
                        const Distillation& d) {
  const Labels labels = labels_for(s, 2);
  const float dz_scale = 1.0f / static_cast<float>(s.n);
  const oracle::Distillation same{d.weight, d.temperature};
  const Doubles loss =
      oracle::distillation_loss(s.classes, widen(z), labels, smoothing, widen(t), same);
  const Doubles dz = oracle::distillation_loss_backward(s.classes, widen(z), labels, smoothing,
                                                        widen(t), same, dz_scale);
  run_everywhere(
      {nans(s.n), nans(s.n * s.classes), nans(s.n), z, nans(s.n)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const auto run = [&](const float* from, float* to_loss, float* to_dz) {
          distillation_loss(ex, s, from, ex.in(labels), smoothing, ex.in(t), d, dz_scale, to_loss,
                            to_dz);
        };
        run(ex.in(z), out[0], out[1]);
        run(out[3], out[2], out[3]);
        run(ex.in(z), out[4], nullptr);
      },
      [&](const std::vector<Floats>& out) {
        for (const std::size_t o : {0u, 2u, 4u}) {
          expect_within(out[o], loss,
                        [&](std::size_t i) { return 2 * unit * std::abs(loss[i]) + 1e-17; });
        }
        for (const std::size_t o : {1u, 3u}) {
          expect_within(out[o], dz,
                        [&](std::size_t i) { return 2 * unit * std::abs(dz[i]) + 1e-14; });
        }
      });
}

TEST(DistillationLoss, FollowsTheOracle) {
  for (const SoftmaxShape s : {SoftmaxShape{1, 1}, {3, 2}, {61, 10}, {7, 100}, {2, 1000}}) {
    for (const double spread : {1.0, 30.0}) {
      const Floats z = normals(s.n * s.classes, 1, 5, spread);
      const Floats t = normals(s.n * s.classes, 3, -2, spread);
      expect_the_oracles(s, z, t, 0, {0.5, 4});
      for (const Distillation d : {Distillation{0.9, 1}, {0.3, 0.5}, {1, 20}}) {
        expect_the_oracles(s, z, t, 0.1f, d);
      }
    }
  }
}

/// What a student that has almost learnt it all still has to learn.
TEST(DistillationLoss, KeepsTheDigitsOfNearlyEqualAnswers) {
  const SoftmaxShape s{40, 10};
  const Floats t = normals(s.n * s.classes, 1);
  for (const float difference : {1e-2f, 1e-4f}) {
    Floats z = normals(s.n * s.classes, 2, 0, double{difference});
    for (std::size_t i = 0; i < z.size(); ++i) z[i] += t[i];
    expect_the_oracles(s, z, t, 0, {1, 4});
  }
}

TEST(DistillationLoss, OfTheTeachersOwnAnswersIsZero) {
  const SoftmaxShape s{50, 37};
  const Floats z = normals(s.n * s.classes, 1, 2, 10);
  for (const double temperature : {0.3, 1.0, 4.0, 7.7}) {
    run_everywhere(
        {nans(s.n), nans(s.n * s.classes)},
        [&](const Trial& ex, const std::vector<float*>& out) {
          distillation_loss(ex, s, ex.in(z), ex.in(labels_for(s, 2)), 0.1f, ex.in(z),
                            {1, temperature}, 1, out[0], out[1]);
        },
        [&](const std::vector<Floats>& out) {
          for (const Floats& values : out) expect_equal(values, Doubles(values.size(), 0.0));
        });
  }
}

TEST(DistillationLoss, OfNoWeightIsTheCrossEntropy) {
  const SoftmaxShape s{50, 37};
  const Floats z = normals(s.n * s.classes, 1, 2, 10), t = nans(s.n * s.classes);
  const Labels labels = labels_for(s, 2);
  run_everywhere(
      {nans(s.n), nans(s.n * s.classes), nans(s.n), nans(s.n * s.classes)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        distillation_loss(ex, s, ex.in(z), ex.in(labels), 0.1f, ex.in(t), {0, 4}, 0.02f, out[0],
                          out[1]);
        softmax_cross_entropy(ex, s, ex.in(z), ex.in(labels), 0.1f, 0.02f, out[2], out[3]);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_TRUE(same_bits(out[0], out[2]));
        EXPECT_TRUE(same_bits(out[1], out[3]));
      });
}

TEST(DistillationLoss, LargeLogitsDoNotOverflowAndNaNShows) {
  const Floats z{1e30f, -1e30f, 0, 0, 0, 0, nan, 0, 0, 0, 0, -infinity};
  const Floats t{1e30f, -1e30f, 0, -1e30f, -infinity, 0, 0, 0, 0, nan, 0, -infinity};
  run_everywhere(
      {Floats(6, 0.0f), Floats(12, 0.0f)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        distillation_loss(ex, {6, 2}, ex.in(z), ex.in(Labels(6, 0)), 0, ex.in(t), {1, 2}, 1, out[0],
                          out[1]);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_EQ(out[0][0], 0);
        EXPECT_NEAR(out[0][1], 4 * std::log(2.0), 1e-6);
        EXPECT_NEAR(out[0][2], 4 * std::log(2.0), 1e-6);
        EXPECT_TRUE(std::isnan(out[0][3]));
        EXPECT_TRUE(std::isnan(out[0][4]));
        EXPECT_EQ(out[0][5], 0);
        EXPECT_EQ(out[1][2], -1);  // T (1/2 - 1)
        EXPECT_EQ(out[1][4], 1);
      });
}

/// A teacher's share of a class that is barely a number.
TEST(DistillationLoss, TakesSharesOfAnySize) {
  for (int gap = 600; gap < 800; gap += 5) {
    const Floats z{0, 0}, t{0, static_cast<float>(-gap)};
    run_everywhere(
        {{nan}},
        [&](const Trial& ex, const std::vector<float*>& out) {
          distillation_loss(ex, {1, 2}, ex.in(z), ex.in(Labels{0}), 0, ex.in(t), {1, 1}, 1, out[0],
                            nullptr);
        },
        [&](const std::vector<Floats>& out) {
          EXPECT_NEAR(out[0][0], std::log(2.0), 1e-6) << gap;
        });
  }
}

TEST(DistillationLoss, OracleBackwardIsTheDerivative) {
  const Doubles z = widen(normals(12, 3)), t = widen(normals(12, 4));
  const Labels labels{1, 0, 3};
  const oracle::Distillation d{0.7, 3};
  const Doubles dz = oracle::distillation_loss_backward(4, z, labels, 0.1, t, d, 0.5);
  const auto f = [&](const Doubles& at) {
    const Doubles loss = oracle::distillation_loss(4, at, labels, 0.1, t, d);
    return 0.5 * (loss[0] + loss[1] + loss[2]);
  };
  for (std::size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(dz[i], finite_difference(f, z, i), 1e-8);
}

TEST(DistillationLoss, RefusesBadExtentsAndLabels) {
  Floats z(8), t(8), loss(4);
  const auto refuses = [&](Device device, const SoftmaxShape& s, const Labels& labels,
                           const char* part) {
    EXPECT_SHAPE_ERROR(distillation_loss({.device = device}, s, z.data(), labels.data(), 0,
                                         t.data(), {0.5, 4}, 1, loss.data(), nullptr),
                       part);
  };
  for (const Device device : devices()) {
    refuses(device, {0, 2}, {0}, "0 rows");
    refuses(device, {1, 0}, {0}, "0 classes");
  }
  refuses(Device{}, {2, 2}, {1, 2}, "label 2 of row 1 is outside [0, 2)");
  refuses(Device{}, {2, 2}, {-1, 0}, "label -1 of row 0");
}

}  // namespace
}  // namespace trifold::kernels
