#include "kernels/softmax_cross_entropy.h"

#include <bit>

#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/softmax_cross_entropy.h"

namespace trifold::kernels {
namespace {

using namespace test;
using Labels = std::vector<std::int32_t>;

Labels labels_for(const SoftmaxShape& s, std::uint64_t seed) {
  Labels labels(index(s.n));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] =
        static_cast<std::int32_t>(random_bits(seed, i) % static_cast<std::uint64_t>(s.classes));
  }
  return labels;
}

TEST(SoftmaxCrossEntropy, FollowsTheOracle) {
  for (const SoftmaxShape s : {SoftmaxShape{1, 1}, {3, 2}, {128, 10}, {67, 100}, {5, 1000}}) {
    for (const double spread : {1.0, 30.0}) {
      for (const float smoothing : {0.0f, 0.1f}) {
        const Floats z = normals(s.n * s.classes, 1, 5, spread);
        const Labels labels = labels_for(s, 2);
        const float dz_scale = 1.0f / static_cast<float>(s.n);
        const Doubles loss = oracle::softmax_cross_entropy(s.classes, widen(z), labels, smoothing);
        const Doubles dz = oracle::softmax_cross_entropy_backward(s.classes, widen(z), labels,
                                                                  smoothing, dz_scale);
        run_everywhere(
            {nans(s.n), nans(s.n * s.classes), nans(s.n), z, nans(s.n)},
            [&](const Trial& ex, const std::vector<float*>& out) {
              softmax_cross_entropy(ex, s, ex.in(z), ex.in(labels), smoothing, dz_scale, out[0],
                                    out[1]);
              softmax_cross_entropy(ex, s, out[3], ex.in(labels), smoothing, dz_scale, out[2],
                                    out[3]);
              softmax_cross_entropy(ex, s, ex.in(z), ex.in(labels), smoothing, dz_scale, out[4],
                                    nullptr);
            },
            [&](const std::vector<Floats>& out) {
              for (const std::size_t o : {0u, 2u, 4u}) {
                expect_within(out[o], loss,
                              [&](std::size_t i) { return 2 * unit * std::abs(loss[i]); });
              }
              for (const std::size_t o : {1u, 3u}) {
                expect_within(out[o], dz,
                              [&](std::size_t i) { return 2 * unit * std::abs(dz[i]) + 1e-15; });
              }
            });
      }
    }
  }
}

TEST(SoftmaxCrossEntropy, KeepsTheDigitsOfATinyLoss) {
  const Floats z{20, 0, -3};
  const Labels labels{0};
  const double exact = std::log1p(std::exp(-20.0) + std::exp(-23.0));
  run_everywhere(
      {{nan}},
      [&](const Trial& ex, const std::vector<float*>& out) {
        softmax_cross_entropy(ex, {1, 3}, ex.in(z), ex.in(labels), 0, 1, out[0], nullptr);
      },
      [&](const std::vector<Floats>& out) { EXPECT_NEAR(out[0][0], exact, 2 * unit * exact); });
}

TEST(SoftmaxCrossEntropy, LargeLogitsDoNotOverflowAndNaNShows) {
  const Floats z{1e30f, -1e30f, 3e38f, 3e38f, nan, 0, 0, nan};
  const Labels labels{0, 1, 1, 0};
  run_everywhere(
      {Floats(4, 0.0f)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        softmax_cross_entropy(ex, {4, 2}, ex.in(z), ex.in(labels), 0, 1, out[0], nullptr);
      },
      [&](const std::vector<Floats>& out) {
        EXPECT_EQ(out[0][0], 0);
        EXPECT_NEAR(out[0][1], std::log(2.0), 1e-7);
        EXPECT_TRUE(std::isnan(out[0][2]));
        EXPECT_TRUE(std::isnan(out[0][3]));
      });
}

TEST(SoftmaxCrossEntropy, OracleBackwardIsTheDerivative) {
  const Doubles z = widen(normals(12, 3));
  const Labels labels{1, 0, 3};
  const Doubles dz = oracle::softmax_cross_entropy_backward(4, z, labels, 0.1, 0.5);
  const auto f = [&](const Doubles& at) {
    const Doubles loss = oracle::softmax_cross_entropy(4, at, labels, 0.1);
    return 0.5 * (loss[0] + loss[1] + loss[2]);
  };
  for (std::size_t i = 0; i < z.size(); ++i) EXPECT_NEAR(dz[i], finite_difference(f, z, i), 1e-8);
}

TEST(CountTop1, CountsTheFirstOfEqualsAndNeverNaN) {
  const Floats z{1,   3, 2,  //
                 3,   3, 1,  // the first of equals is 0
                 3,   3, 1,  //
                 nan, 1, 0, nan, nan, nan, 0, 0, 5};
  const Labels labels{1, 0, 1, 0, 2, 2};
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    const Trial ex(device);
    const DeviceArray<std::int32_t> correct(device, {-1});
    count_top1(ex, {6, 3}, ex.in(z), ex.in(labels), correct.data());
    EXPECT_EQ(correct.values(), Labels{3});
    EXPECT_TRUE(correct.intact());
  }
}

TEST(CountTop1, CountsManyRows) {
  const SoftmaxShape s{3001, 45};
  const Floats z = normals(s.n * s.classes, 1);
  const Labels labels = labels_for(s, 2);
  std::int32_t expected = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = z.begin() + static_cast<std::ptrdiff_t>(45 * i);
    expected += std::max_element(row, row + 45) - row == labels[i];
  }
  EXPECT_GT(expected, 0);
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    const Trial ex(device);
    const DeviceArray<std::int32_t> correct(device, {-1});
    count_top1(ex, s, ex.in(z), ex.in(labels), correct.data());
    EXPECT_EQ(correct.values(), Labels{expected});
  }
}

TEST(AddToTotals, AddsLossesAndCorrectRows) {
  const SoftmaxShape s{301, 5};
  const Floats z = normals(s.n * s.classes, 1);
  const Labels labels = labels_for(s, 2);
  for (const Device device : devices()) {
    SCOPED_TRACE(to_string(device));
    const Trial ex(device);
    const DeviceArray<std::int32_t> correct(device, {-1});
    count_top1(ex, s, ex.in(z), ex.in(labels), correct.data());
    const std::int64_t rows = correct.values()[0], many = std::int64_t{1} << 40;
    EXPECT_GT(rows, 0);
    const DeviceArray<std::int64_t> totals(device, {std::bit_cast<std::int64_t>(0.5), many});
    for (const float loss : {0.3f, 1.7f}) {
      add_to_totals(ex, s, ex.in(z), ex.in(labels), ex.in(Floats{loss}),
                    reinterpret_cast<Totals*>(totals.data()));
    }
    const double loss = 0.5 + double{0.3f} * 301 + double{1.7f} * 301;
    EXPECT_EQ(std::bit_cast<double>(totals.values()[0]), loss);
    EXPECT_EQ(totals.values()[1], many + 2 * rows);
    EXPECT_TRUE(totals.intact() && ex.inputs_intact());
  }
}

TEST(SoftmaxCrossEntropy, RefusesBadExtentsAndLabels) {
  Floats z(8), loss(4);
  std::int32_t correct = 0;
  Totals totals;
  const auto both = [&](Device device, const SoftmaxShape& s, const Labels& labels,
                        const char* part) {
    const Exec ex{.device = device};
    EXPECT_SHAPE_ERROR(
        softmax_cross_entropy(ex, s, z.data(), labels.data(), 0, 1, loss.data(), nullptr), part);
    EXPECT_SHAPE_ERROR(count_top1(ex, s, z.data(), labels.data(), &correct), part);
    EXPECT_SHAPE_ERROR(add_to_totals(ex, s, z.data(), labels.data(), loss.data(), &totals), part);
  };
  for (const Device device : devices()) {
    both(device, {0, 2}, {0}, "0 rows");
    both(device, {1, 0}, {0}, "0 classes");
  }
  both(Device{}, {2, 2}, {1, 2}, "label 2 of row 1 is outside [0, 2)");
  both(Device{}, {2, 2}, {-1, 0}, "label -1 of row 0");
}

}  // namespace
}  // namespace trifold::kernels
