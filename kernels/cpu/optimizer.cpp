#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizer.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto momentum = hn::Set(d, params.momentum);
    const auto weight = hn::LoadU(d, w + i);
    const auto sign = hn::CopySign(hn::Set(d, params.l1), weight);
    const auto l1 = hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), sign);
    const auto decayed = hn::MulAdd(hn::Set(d, params.weight_decay), weight, hn::LoadU(d, dw + i));
    const auto g = hn::Add(decayed, l1);
    const auto velocity = hn::MulAdd(momentum, hn::LoadU(d, v + i), g);
    const auto step = params.nesterov ? hn::MulAdd(momentum, velocity, g) : velocity;
    hn::StoreU(velocity, d, v + i);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, params.lr), step, weight), d, w + i);
  });
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto old = hn::LoadU(d, average + i);
    const auto change = hn::Sub(hn::LoadU(d, w + i), old);
    hn::StoreU(hn::MulAdd(hn::Set(d, 1 - decay), change, old), d, average + i);
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(sgd_step);
HWY_EXPORT(ema_update);

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  TRIFOLD_DISPATCH(sgd_step)(ex, count, params, dw, v, w);
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  TRIFOLD_DISPATCH(ema_update)(ex, count, decay, w, average);
}

void update_parameters(const Exec& ex, std::span<const ParameterUpdate> updates, const float* lr,
                       const float* decay) {
  for (const ParameterUpdate& u : updates) {
    SgdParams sgd = u.sgd;
    sgd.lr = *lr;
    cpu::sgd_step(ex, u.count, sgd, u.dw, u.v, u.w);
    if (u.average != nullptr) cpu::ema_update(ex, u.count, *decay, u.w, u.average);
  }
}

}  // namespace trifold::kernels::cpu
#endif
