#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/resize.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include <vector>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/taps.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// y[j] = sum over the taps t of output `out` of weight[t] x[index[t] stride + j], j < count.
HWY_INLINE void combine(const Taps& taps, std::int64_t out, const float* x, std::int64_t stride,
                        std::int64_t count, float* y) {
  const std::int64_t* index = taps.index.data();
  const float* weight = taps.weight.data();
  const std::int64_t first = taps.offset[static_cast<std::size_t>(out)];
  const std::int64_t last = taps.offset[static_cast<std::size_t>(out) + 1];
  for_lanes(0, count, [=](auto d, std::int64_t j) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::int64_t t = first; t < last; ++t) {
      sum = hn::MulAdd(hn::Set(d, weight[t]), hn::LoadU(d, x + index[t] * stride + j), sum);
    }
    hn::StoreU(sum, d, y + j);
  });
}

/// y (n, out_h, out_w, c) = rows x cols^T for each image x (n, in_h, in_w, c) and channel. A unit
/// of work is one row of y: the rows' taps first, over whole pixel rows, into a buffer of one row.
void resample(const Exec& ex, const Taps& rows, const Taps& cols, std::int64_t n, std::int64_t in_h,
              std::int64_t in_w, std::int64_t c, const float* x, float* y) {
  const std::int64_t out_h = rows.outputs(), out_w = cols.outputs();
  const std::int64_t grain = grain_of((in_w + out_w) * c);
  for_ranges(ex, n * out_h, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    std::vector<float> mixed(static_cast<std::size_t>(in_w * c));
    for (std::int64_t row = begin; row < end; ++row) {
      const float* image = x + row / out_h * in_h * in_w * c;
      combine(rows, row % out_h, image, in_w * c, in_w * c, mixed.data());
      for (std::int64_t j = 0; j < out_w; ++j) {
        combine(cols, j, mixed.data(), c, c, y + (row * out_w + j) * c);
      }
    }
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {
HWY_EXPORT(resample);

void resize_forward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* x,
                    float* y) {
  check(s);
  TRIFOLD_DISPATCH(resample)
  (ex, resize_taps(filter, s.src_h, s.dst_h), resize_taps(filter, s.src_w, s.dst_w), s.n, s.src_h,
   s.src_w, s.c, x, y);
}

void resize_backward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* dy,
                     float* dx) {
  check(s);
  TRIFOLD_DISPATCH(resample)
  (ex, transposed(resize_taps(filter, s.src_h, s.dst_h), s.src_h),
   transposed(resize_taps(filter, s.src_w, s.dst_w), s.src_w), s.n, s.dst_h, s.dst_w, s.c, dy, dx);
}

}  // namespace trifold::kernels::cpu
#endif
