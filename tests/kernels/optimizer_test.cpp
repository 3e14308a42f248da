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

}  // namespace
}  // namespace trifold::kernels
