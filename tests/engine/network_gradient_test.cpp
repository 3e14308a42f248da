/// The gradients of a whole small network against finite differences of the same network in plain
/// double precision, which shares no code with the engine.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "engine/ops.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/engine/tensors.h"
#include "tests/oracle/batch_norm.h"
#include "tests/oracle/channel_gather.h"
#include "tests/oracle/concat.h"
#include "tests/oracle/pool.h"
#include "tests/oracle/resize.h"
#include "tests/oracle/softmax_cross_entropy.h"

namespace trifold::engine {
namespace {

constexpr std::int64_t batch = 2, side = 6, channels = 4, gathered = 6, classes = 5;
constexpr float eps = 1e-5f, smoothing = 0.1f;
const std::vector<std::int32_t> source{1, -1, 5, 9, 11, 9};
const std::vector<std::int32_t> labels{3, 0};

// The leaves, in one order for both implementations.
enum Leaf { X, W1, G1, B1, W2, G2, B2, W3, FC, Bias };
const std::vector<Shape> leaf_shapes{{batch, side, side, 3},
                                     {3, 3, 3, channels},
                                     {channels},
                                     {channels},
                                     {3, 3, channels, channels},
                                     {channels},
                                     {channels},
                                     {1, 1, channels, channels},
                                     {gathered, classes},
                                     {classes}};

// conv-bn-relu, then a block conv-bn with the residual before the ReLU, added once more to its
// input: that value is used three times. Two pools of the sum and a 1x1 convolution with stride 2
// meet in a concat; a gather picks channels of all three, one of them twice.
Var engine_loss(Tape& tape, const std::vector<Var>& v) {
  const ConvGeometry same{.pad_h = 1, .pad_w = 1};
  const Device device = tape.exec().device;
  const auto ones = [&] { return Tensor::filled({channels}, 1.0f, device); };
  const auto bn = [&](const Var& y, Leaf gamma, Leaf beta, const Var* residual) {
    const BatchNormState state{&v[gamma], &v[beta], ones(), ones(), eps};
    return batch_norm(tape, y, state, Statistics::batch, residual, kernels::Activation::relu);
  };
  const Var h = bn(conv2d(tape, v[X], v[W1], nullptr, same), G1, B1, nullptr);
  const Var block = bn(conv2d(tape, h, v[W2], nullptr, same), G2, B2, &h);
  const Var s = add(tape, block, h);
  const std::array parts{max_pool(tape, s, {2, 2, 2, 2}), avg_pool(tape, s, {2, 2, 2, 2}),
                         conv2d(tape, s, v[W3], nullptr, {2, 2, 0, 0})};
  const Var picked =
      channel_gather(tape, concat(tape, parts), Tensor::from(Shape{gathered}, source, device), 1);
  const Var resized = resize(tape, picked, 5, 2, kernels::ResizeFilter::antialias);
  const Var logits = linear(tape, global_avg_pool(tape, resized), v[FC], &v[Bias]);
  return softmax_cross_entropy(tape, logits, Tensor::from(Shape{batch}, labels, device), smoothing);
}

// Convolution of (batch, side, side, c) with odd square windows (r, r, c, k) and same padding.
Doubles convolve(const Doubles& x, const Doubles& w, std::int64_t c, std::int64_t k, std::int64_t r,
                 std::int64_t stride) {
  const std::int64_t pad = r / 2, out = (side + stride - 1) / stride;
  Doubles y;
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t p = 0; p < out; ++p)
      for (std::int64_t q = 0; q < out; ++q)
        for (std::int64_t filter = 0; filter < k; ++filter) {
          double sum = 0;
          for (std::int64_t a = 0; a < r; ++a)
            for (std::int64_t b = 0; b < r; ++b) {
              const std::int64_t i = p * stride - pad + a, j = q * stride - pad + b;
              if (i < 0 || i >= side || j < 0 || j >= side) continue;
              for (std::int64_t d = 0; d < c; ++d) {
                sum += x[at(((n * side + i) * side + j) * c + d)] *
                       w[at(((a * r + b) * c + d) * k + filter)];
              }
            }
          y.push_back(sum);
        }
  return y;
}

Doubles oracle_concat(const std::vector<Doubles>& parts) {
  const std::int64_t rows = std::ssize(parts.front()) / channels;
  Doubles all(parts.size() * parts.front().size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    all = oracle::copy_channels(rows, channels, parts[i], 0, all,
                                static_cast<std::int64_t>(i) * channels, false);
  }
  return all;
}

double oracle_loss(const std::vector<Doubles>& v) {
  const auto bn = [&](const Doubles& y, Leaf gamma, Leaf beta, const Doubles& residual) {
    return oracle::batch_norm(y, oracle::batch_statistics(channels, y), v[gamma], v[beta], eps,
                              residual, true);
  };
  const Doubles h = bn(convolve(v[X], v[W1], 3, channels, 3, 1), G1, B1, {});
  Doubles s = bn(convolve(h, v[W2], channels, channels, 3, 1), G2, B2, h);
  for (std::size_t i = 0; i < s.size(); ++i) s[i] += h[i];

  const oracle::Pool pool{batch, side, side, channels, 2, 2, 2, 2, 0, 0};
  const Doubles all =
      oracle_concat({oracle::max_pool_forward(pool, s).y, oracle::avg_pool_forward(pool, s),
                     convolve(s, v[W3], channels, channels, 1, 2)});
  constexpr std::int64_t half = side / 2;
  const Doubles picked =
      oracle::channel_gather_forward({batch, half, half, 3 * channels, 1}, all, source);
  const Doubles resized = oracle::resize_forward({batch, half, half, 5, 2, gathered, true}, picked);

  constexpr std::int64_t pixels = 5 * 2;
  Doubles logits;
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t j = 0; j < classes; ++j) {
      double sum = v[Bias][at(j)];
      for (std::int64_t i = 0; i < pixels * gathered; ++i) {
        sum += resized[at(n * pixels * gathered + i)] / static_cast<double>(pixels) *
               v[FC][at(i % gathered * classes + j)];
      }
      logits.push_back(sum);
    }
  const Doubles losses = oracle::softmax_cross_entropy(classes, logits, labels, smoothing);
  return (losses[0] + losses[1]) / static_cast<double>(batch);
}

class NetworkGradient : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, NetworkGradient, testing::ValuesIn(devices()), name_of);

TEST_P(NetworkGradient, AgreesWithFiniteDifferences) {
  std::vector<Var> leaves;
  std::vector<Doubles> values;
  for (std::size_t i = 0; i < leaf_shapes.size(); ++i) {
    leaves.push_back(Var::parameter(uniform(leaf_shapes[i], i + 1, GetParam())));
    values.push_back(doubles(leaves.back().value));
  }

  kernels::ThreadPool threads(2);
  Tape tape({.device = GetParam(), .pool = &threads});
  const Var loss = engine_loss(tape, leaves);
  EXPECT_NEAR(doubles(loss.value)[0], oracle_loss(values), 1e-6);
  tape.backward(loss);

  constexpr double step = 1e-6;
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    Doubles expected;
    for (double& value : values[leaf]) {
      const double centre = value;
      value = centre + step;
      const double up = oracle_loss(values);
      value = centre - step;
      const double down = oracle_loss(values);
      value = centre;
      expected.push_back((up - down) / (2 * step));
    }
    EXPECT_GT(norm(expected), 1e-4) << "leaf " << leaf << " hardly matters, so this tests little";
    EXPECT_LT(relative_error(leaves[leaf].gradient->sum(), expected), 1e-5) << "leaf " << leaf;
  }
}

}  // namespace
}  // namespace trifold::engine
