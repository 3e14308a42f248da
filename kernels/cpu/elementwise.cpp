#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/pointwise-inl.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

void relu_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(relu(hn::LoadU(d, x + i)), d, y + i);
  });
}

void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(relu_masked(hn::LoadU(d, dy + i), hn::LoadU(d, y + i)), d, dx + i);
  });
}

// Selections, not a minimum and a maximum, so that NaN stays NaN.
void relu6_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto v = relu(hn::LoadU(d, x + i)), six = hn::Set(d, 6.0f);
    hn::StoreU(hn::IfThenElse(hn::Gt(v, six), six, v), d, y + i);
  });
}

void relu6_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy,
                    float* dx) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    const auto v = hn::LoadU(d, y + i), masked = relu_masked(hn::LoadU(d, dy + i), v);
    hn::StoreU(hn::IfThenElseZero(hn::Lt(v, hn::Set(d, 6.0f)), masked), d, dx + i);
  });
}

void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  });
}

void fill(const Exec& ex, std::int64_t count, float value, float* y) {
  map_lanes(ex, count,
            [=](auto d, std::int64_t i) HWY_ATTR { hn::StoreU(hn::Set(d, value), d, y + i); });
}

void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y) {
  map_lanes(ex, count, [=](auto d, std::int64_t i) HWY_ATTR {
    hn::StoreU(hn::Mul(hn::Set(d, scale), hn::LoadU(d, x + i)), d, y + i);
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(relu_forward);
HWY_EXPORT(relu_backward);
HWY_EXPORT(relu6_forward);
HWY_EXPORT(relu6_backward);
HWY_EXPORT(add);
HWY_EXPORT(fill);
HWY_EXPORT(scale);

void relu_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  TRIFOLD_DISPATCH(relu_forward)(ex, count, x, y);
}

void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx) {
  TRIFOLD_DISPATCH(relu_backward)(ex, count, y, dy, dx);
}

void relu6_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  TRIFOLD_DISPATCH(relu6_forward)(ex, count, x, y);
}

void relu6_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy,
                    float* dx) {
  TRIFOLD_DISPATCH(relu6_backward)(ex, count, y, dy, dx);
}

void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y) {
  TRIFOLD_DISPATCH(add)(ex, count, a, b, y);
}

void fill(const Exec& ex, std::int64_t count, float value, float* y) {
  TRIFOLD_DISPATCH(fill)(ex, count, value, y);
}

void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y) {
  TRIFOLD_DISPATCH(scale)(ex, count, scale, x, y);
}

void scale_by(const Exec& ex, std::int64_t count, const float* factor, const float* x, float* y) {
  TRIFOLD_DISPATCH(scale)(ex, count, *factor, x, y);
}

// On the caller alone: a batch has few losses.
void mean(const Exec&, std::int64_t count, const float* x, float* y) {
  check_mean(count);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
  *y = static_cast<float>(sum / static_cast<double>(count));
}

}  // namespace trifold::kernels::cpu
#endif
