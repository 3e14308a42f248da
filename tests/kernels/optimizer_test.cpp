#include "kernels/optimizer.h"

#include "tests/kernels/support_ops.h"
#include "tests/oracle/optimizer.h"

namespace trifold::kernels {
namespace {

using namespace test;

TEST(Optimizer, SgdStepsFollowTheOracle) {
  for (const std::int64_t n : {1, 5, 13, 45, 20011}) {
    for (const bool nesterov : {false, true}) {
      const SgdParams params{0.1f, 0.9f, 5e-4f, 1e-3f, nesterov};
      Floats w = normals(n, 1);
      w[0] = 0;  // where the sub-gradient of |w| is 0
      const Floats dw = normals(n, 2);
      Doubles v_exact(index(n)), w_exact = widen(w);
      const oracle::Sgd sgd{params.lr, params.momentum, params.weight_decay, params.l1, nesterov};
      for (int step = 0; step < 3; ++step) oracle::sgd_step(sgd, widen(dw), v_exact, w_exact);
      run_everywhere(
          {Floats(index(n), 0.0f), w},
          [&](const Trial& ex, const std::vector<float*>& out) {
            for (int step = 0; step < 3; ++step) {
              sgd_step(ex, n, params, ex.in(dw), out[0], out[1]);
            }
          },
          [&](const std::vector<Floats>& out) {
            const auto bound = [&](std::size_t i) {
              return 40 * unit * (1 + std::abs(v_exact[i]) + std::abs(w_exact[i]));
            };
            expect_within(out[0], v_exact, bound);
            expect_within(out[1], w_exact, bound);
          });
    }
  }
}

TEST(Optimizer, L1PullsBothSignsAndLeavesZero) {
  const Floats zero{0, 0, 0};
  run_everywhere(
      {zero, {1, -1, 0}},
      [&](const Trial& ex, const std::vector<float*>& out) {
        sgd_step(ex, 3, {1, 0, 0, 0.25f, false}, ex.in(zero), out[0], out[1]);
      },
      [](const std::vector<Floats>& out) {
        expect_equal(out[1], {0.75, -0.75, 0});
      });
}

TEST(Optimizer, EmaMovesTowardsTheWeights) {
  for (const std::int64_t n : {1, 11, 40007}) {
    const Floats w = integers(n, 3), start = integers(n, 4);
    Doubles expected(index(n));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = start[i] + 0.25 * (static_cast<double>(w[i]) - start[i]);
    }
    run_everywhere(
        {start},
        [&](const Trial& ex, const std::vector<float*>& out) {
          ema_update(ex, n, 0.75f, ex.in(w), out[0]);
        },
        [&](const std::vector<Floats>& out) { expect_equal(out[0], expected); });
  }
}

/// More parameters than a launch holds, of all sizes about a vector's and a block's, some averaged.
TEST(Optimizer, UpdatesManyParametersAtOnce) {
  struct Parameter {
    std::int64_t count;
    SgdParams params;
    Floats dw;
    Doubles v, w, average;
  };
  constexpr float decay = 0.75f, lr = 0.1f;
  std::vector<Parameter> parameters;
  std::vector<Floats> initial;  // v, w and average of each
  for (int i = 0; i < 100; ++i) {
    const std::int64_t count =
        std::vector<std::int64_t>{1, 3, 4, 7, 1023, 1024, 1030, 0}[index(i % 8)];
    const auto seed = static_cast<std::uint64_t>(i);
    const bool decays = i % 2 == 0;
    Parameter p{count,
                {nan, 0.9f, decays ? 5e-4f : 0, decays ? 0 : 1e-3f, i % 3 == 0},
                normals(count, seed),
                widen(normals(count, seed + 200)),
                widen(normals(count, seed + 400)),
                widen(normals(count, seed + 600))};
    initial.push_back(normals(count, seed + 200));
    initial.push_back(normals(count, seed + 400));
    initial.push_back(normals(count, seed + 600));
    const oracle::Sgd sgd{lr, p.params.momentum, p.params.weight_decay, p.params.l1,
                          p.params.nesterov};
    oracle::sgd_step(sgd, widen(p.dw), p.v, p.w);
    for (std::size_t j = 0; i % 5 != 0 && j < p.w.size(); ++j) {
      p.average[j] += (1 - static_cast<double>(decay)) * (p.w[j] - p.average[j]);
    }
    parameters.push_back(std::move(p));
  }
  run_everywhere(
      initial,
      [&](const Trial& ex, const std::vector<float*>& out) {
        std::vector<ParameterUpdate> updates;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
          const Parameter& p = parameters[i];
          updates.push_back({p.count, p.params, ex.in(p.dw), out[3 * i], out[3 * i + 1],
                             i % 5 != 0 ? out[3 * i + 2] : nullptr});
        }
        const float *const rate = ex.in(Floats{lr}), *const share = ex.in(Floats{decay});
        update_parameters(ex, updates, rate, share);
        update_parameters(ex, {}, rate, share);
      },
      [&](const std::vector<Floats>& out) {
        const auto bound = [](std::size_t) { return 40 * unit; };
        for (std::size_t i = 0; i < parameters.size(); ++i) {
          SCOPED_TRACE(i);
          expect_within(out[3 * i], parameters[i].v, bound);
          expect_within(out[3 * i + 1], parameters[i].w, bound);
          expect_within(out[3 * i + 2], parameters[i].average, bound);
        }
      });
}

// Where nothing is averaged, no decay is asked for.
TEST(Optimizer, UpdatesWithoutAnAverageNeedNoDecay) {
  const Floats dw = {1, 1, 1, 1, 1};
  run_everywhere(
      {Floats(5, 0.0f), {1, 2, 3, 4, 5}},
      [&](const Trial& ex, const std::vector<float*>& out) {
        const ParameterUpdate u{5, {nan, 0, 0, 0, false}, ex.in(dw), out[0], out[1]};
        update_parameters(ex, {&u, 1}, ex.in(Floats{0.5f}), nullptr);
      },
      [](const std::vector<Floats>& out) {
        expect_equal(out[1], {0.5, 1.5, 2.5, 3.5, 4.5});
      });
}

// One float after a 16-byte boundary, where a GPU can't take four at a time: the same bits.
TEST(Optimizer, TakesArraysAtAnyAddress) {
  constexpr std::int64_t n = 1000;
  const SgdParams params{0.1f, 0.9f, 5e-4f, 1e-3f, true};
  const auto shifted = [](Floats values) {
    values.insert(values.begin(), 0.0f);
    return values;
  };
  const Floats w = normals(n, 1), dw = normals(n, 2), v = normals(n, 3), average = normals(n, 4);
  run_everywhere(
      {v, w, average, shifted(v), shifted(w), shifted(average)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        sgd_step(ex, n, params, ex.in(dw), out[0], out[1]);
        ema_update(ex, n, 0.9f, out[1], out[2]);
        sgd_step(ex, n, params, ex.in(shifted(dw)) + 1, out[3] + 1, out[4] + 1);
        ema_update(ex, n, 0.9f, out[4] + 1, out[5] + 1);
      },
      [&](const std::vector<Floats>& out) {
        for (std::size_t i = 0; i < 3; ++i) {
          EXPECT_FALSE(same_bits(out[i], std::array{v, w, average}[i])) << "it should move";
          EXPECT_TRUE(same_bits(out[3 + i], shifted(out[i]))) << i;
        }
      });
}

}  // namespace
}  // namespace trifold::kernels
