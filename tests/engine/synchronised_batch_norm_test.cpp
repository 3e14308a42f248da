/// Batch norms over the samples of several ranks, held against one over all of them.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/ops.h"
#include "tests/engine/tensors.h"

namespace trifold::engine {
namespace {

constexpr int ranks = 4;
constexpr std::int64_t n = 3, side = 2, channels = 5;

// Rank `rank`'s images among those of all.
Tensor part(const Tensor& all, std::size_t rank) {
  const auto size = static_cast<std::size_t>(all.size()) / ranks;
  return Tensor::from({n, side, side, channels},
                      std::span<const float>(all.values()).subspan(rank * size, size));
}

// What a batch norm with a residual and a ReLU leaves.
struct Outcome {
  Tensor y, dx, dresidual, dgamma, dbeta, running_mean, running_var;
};

Outcome run(const Tensor& x, const Tensor& residual, const Tensor& dy,
            const kernels::Collective* group) {
  Tape tape{kernels::Exec{}};
  const Var in = Var::parameter(x), added = Var::parameter(residual);
  const Var gamma = Var::parameter(uniform({channels}, 5)),
            beta = Var::parameter(uniform({channels}, 6));
  const BatchNormState state{&gamma, &beta, Tensor::zeros({channels}),
                             Tensor::filled({channels}, 1.0f)};
  constexpr auto act = kernels::Activation::relu;
  const Var y = group ? synchronised_batch_norm(tape, in, state, *group, &added, act)
                      : batch_norm(tape, in, state, Statistics::batch, &added, act);
  tape.backward(inner_product(tape, y, dy));
  return {y.value,
          in.gradient->sum(),
          added.gradient->sum(),
          gamma.gradient->sum(),
          beta.gradient->sum(),
          state.running_mean,
          state.running_var};
}

TEST(SynchronisedBatchNorm, IsThatOfTheSamplesOfAllRanks) {
  const Shape of_all{ranks * n, side, side, channels};
  Tensor x = uniform(of_all, 1);
  // Ranks, and channels, with centres of their own, far from 0.
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x.values()[at(i)] +=
        static_cast<float>(40 * (i % channels) + 3 * (i / (n * side * side * channels)));
  }
  const Tensor residual = uniform(of_all, 2), dy = uniform(of_all, 3);
  const Outcome whole = run(x, residual, dy, nullptr);
  const std::vector<std::vector<int>> sockets = kernels::local_sockets(ranks);
  std::vector<Outcome> parts(ranks);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const kernels::Collective group(kernels::socket_links(static_cast<int>(rank), sockets[rank]));
      parts[rank] = run(part(x, rank), part(residual, rank), part(dy, rank), &group);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Doubles dgamma(channels), dbeta(channels);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const Outcome& own = parts[rank];
    EXPECT_LT(relative_error(own.y, doubles(part(whole.y, rank))), 1e-5) << rank;
    EXPECT_LT(relative_error(own.dx, doubles(part(whole.dx, rank))), 1e-5) << rank;
    EXPECT_LT(relative_error(own.dresidual, doubles(part(whole.dresidual, rank))), 1e-6) << rank;
    EXPECT_LT(relative_error(own.running_mean, doubles(whole.running_mean)), 1e-6) << rank;
    EXPECT_LT(relative_error(own.running_var, doubles(whole.running_var)), 1e-5) << rank;
    EXPECT_EQ(doubles(own.running_var), doubles(parts[0].running_var)) << rank;
    for (std::int64_t c = 0; c < channels; ++c) {
      dgamma[at(c)] += own.dgamma.values()[at(c)];
      dbeta[at(c)] += own.dbeta.values()[at(c)];
    }
  }
  EXPECT_LT(relative_error(whole.dgamma, dgamma), 1e-5);
  EXPECT_LT(relative_error(whole.dbeta, dbeta), 1e-5);
}

}  // namespace
}  // namespace trifold::engine
