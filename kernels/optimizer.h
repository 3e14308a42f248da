/// In-place updates of parameters.
///
/// Reference tests/oracle/optimizer.h; test tests/kernels/optimizer_test.cpp.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/runtime/exec.h"

namespace trifold::kernels {

struct SgdParams {
  float lr;
  float momentum;
  float weight_decay;
  float l1;  ///< weight of the sparsity term l1 * sum |w|, as a sub-gradient (0 at w = 0)
  bool nesterov;
};

/// g = dw + weight_decay w + l1 sign(w); v = momentum v + g;
/// w -= lr (nesterov ? g + momentum v : v).
/// Shapes    w, dw, v (count); v starts as zeros. Effects: updates w and v.
/// Source    torch.optim.SGD (dampening 0); its first step, v = g, agrees with v starting at zero.
void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w);

/// average += (1 - decay) (w - average).
void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average);

/// One parameter and what its update needs. `average` is null where no average is kept.
struct ParameterUpdate {
  std::int64_t count;
  SgdParams sgd;
  const float* dw;
  float *v, *w;
  float* average = nullptr;
};

/// sgd_step for each parameter, then ema_update for each that has an average: a whole step of
/// training at once, so that a GPU isn't kept busy with launches. No two overlap. The learning rate
/// of all is *lr instead of sgd.lr, the decay of all averages *decay, both on ex.device: they may
/// change between two runs of a captured step. `decay` may be null where there is no average.
void update_parameters(const Exec& ex, std::span<const ParameterUpdate> updates, const float* lr,
                       const float* decay);

}  // namespace trifold::kernels
