#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pool.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/pool_spans.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// Calls f(image, i, j, its pixels' rows, its pixels' columns) for every window; a unit of work is
/// one row of the output.
template <class F>
HWY_INLINE void for_windows(const Exec& ex, const PoolShape& s, const F& f) {
  const std::int64_t p = s.p(), q = s.q();
  const std::int64_t grain = grain_of(q * s.c * s.r * s.s);
  for_ranges(ex, s.n * p, grain, [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t row = begin; row < end; ++row) {
      const Span rows = pixels_of(row % p, s.r, s.stride_h, s.pad_h, s.h);
      for (std::int64_t j = 0; j < q; ++j) {
        f(row / p, row * q + j, rows, pixels_of(j, s.s, s.stride_w, s.pad_w, s.w));
      }
    }
  });
}

/// Calls f(image, pixel within it, windows' rows, windows' columns) for every pixel of the input; a
/// unit of work is one row of it.
template <class F>
HWY_INLINE void for_pixels(const Exec& ex, const PoolShape& s, const F& f) {
  const std::int64_t p = s.p(), q = s.q();
  for_ranges(ex, s.n * s.h, grain_of(s.w * s.c),
             [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
               for (std::int64_t row = begin; row < end; ++row) {
                 const std::int64_t i = row % s.h;
                 const Span rows = windows_of(i, s.r, s.stride_h, s.pad_h, p);
                 for (std::int64_t j = 0; j < s.w; ++j) {
                   f(row / s.h, i * s.w + j, rows, windows_of(j, s.s, s.stride_w, s.pad_w, q));
                 }
               }
             });
}

template <bool kArgmax>
void max_pool(const Exec& ex, const PoolShape& s, const float* x, float* y, std::int32_t* argmax) {
  for_windows(ex, s, [&](std::int64_t image, std::int64_t out, Span rows, Span cols) HWY_ATTR {
    const float* x_image = x + image * s.h * s.w * s.c;
    for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
      const hn::RebindToSigned<decltype(d)> di;
      const std::int64_t first = rows.begin * s.w + cols.begin;
      auto best = hn::LoadU(d, x_image + first * s.c + l);
      auto where = hn::Set(di, static_cast<std::int32_t>(first));
      for (std::int64_t i = rows.begin; i < rows.end; ++i) {
        for (std::int64_t j = cols.begin; j < cols.end; ++j) {
          const std::int64_t pixel = i * s.w + j;
          const auto v = hn::LoadU(d, x_image + pixel * s.c + l);
          // "Not less or equal" lets a NaN win, and a NaN that leads is never replaced.
          const auto keep = hn::Or(hn::Le(v, best), hn::IsNaN(best));
          best = hn::IfThenElse(keep, best, v);
          if constexpr (kArgmax) {
            where = hn::IfThenElse(hn::RebindMask(di, keep), where,
                                   hn::Set(di, static_cast<std::int32_t>(pixel)));
          }
        }
      }
      hn::StoreU(best, d, y + out * s.c + l);
      if constexpr (kArgmax) hn::StoreU(where, di, argmax + out * s.c + l);
    });
  });
}

void max_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y,
                      std::int32_t* argmax) {
  if (argmax == nullptr) {
    max_pool<false>(ex, s, x, y, argmax);
  } else {
    max_pool<true>(ex, s, x, y, argmax);
  }
}

/// Each pixel gathers from the windows that cover it, so that no two threads write one element.
void max_pool_backward(const Exec& ex, const PoolShape& s, const float* dy,
                       const std::int32_t* argmax, float* dx) {
  const std::int64_t p = s.p(), q = s.q();
  for_pixels(ex, s, [&](std::int64_t image, std::int64_t pixel, Span rows, Span cols) HWY_ATTR {
    for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
      const hn::RebindToSigned<decltype(d)> di;
      const auto own = hn::Set(di, static_cast<std::int32_t>(pixel));
      auto sum = hn::Zero(d);
      for (std::int64_t i = rows.begin; i < rows.end; ++i) {
        for (std::int64_t j = cols.begin; j < cols.end; ++j) {
          const std::int64_t out = ((image * p + i) * q + j) * s.c + l;
          const auto won = hn::RebindMask(d, hn::Eq(hn::LoadU(di, argmax + out), own));
          sum = hn::Add(sum, hn::IfThenElseZero(won, hn::LoadU(d, dy + out)));
        }
      }
      hn::StoreU(sum, d, dx + (image * s.h * s.w + pixel) * s.c + l);
    });
  });
}

void avg_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y) {
  const auto area = static_cast<float>(s.r * s.s);
  for_windows(ex, s, [&](std::int64_t image, std::int64_t out, Span rows, Span cols) HWY_ATTR {
    const float* x_image = x + image * s.h * s.w * s.c;
    for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (std::int64_t i = rows.begin; i < rows.end; ++i) {
        for (std::int64_t j = cols.begin; j < cols.end; ++j) {
          sum = hn::Add(sum, hn::LoadU(d, x_image + (i * s.w + j) * s.c + l));
        }
      }
      hn::StoreU(hn::Div(sum, hn::Set(d, area)), d, y + out * s.c + l);
    });
  });
}

void avg_pool_backward(const Exec& ex, const PoolShape& s, const float* dy, float* dx) {
  const std::int64_t p = s.p(), q = s.q();
  const auto area = static_cast<float>(s.r * s.s);
  for_pixels(ex, s, [&](std::int64_t image, std::int64_t pixel, Span rows, Span cols) HWY_ATTR {
    for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (std::int64_t i = rows.begin; i < rows.end; ++i) {
        for (std::int64_t j = cols.begin; j < cols.end; ++j) {
          sum = hn::Add(sum, hn::LoadU(d, dy + ((image * p + i) * q + j) * s.c + l));
        }
      }
      hn::StoreU(hn::Div(sum, hn::Set(d, area)), d, dx + (image * s.h * s.w + pixel) * s.c + l);
    });
  });
}

/// Four interleaved sums hide the latency of an addition and shorten the chain of roundings.
void global_avg_pool_forward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                             const float* x, float* y) {
  for_ranges(ex, n, grain_of(pixels * c), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t image = begin; image < end; ++image) {
      for_lanes(0, c, [&](auto d, std::int64_t l) HWY_ATTR {
        const float* from = x + image * pixels * c + l;
        auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        std::int64_t i = 0;
        for (; i + 4 <= pixels; i += 4) {
          sum0 = hn::Add(sum0, hn::LoadU(d, from + i * c));
          sum1 = hn::Add(sum1, hn::LoadU(d, from + (i + 1) * c));
          sum2 = hn::Add(sum2, hn::LoadU(d, from + (i + 2) * c));
          sum3 = hn::Add(sum3, hn::LoadU(d, from + (i + 3) * c));
        }
        for (; i < pixels; ++i) sum0 = hn::Add(sum0, hn::LoadU(d, from + i * c));
        const auto sum = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
        hn::StoreU(hn::Div(sum, hn::Set(d, static_cast<float>(pixels))), d, y + image * c + l);
      });
    }
  });
}

void global_avg_pool_backward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                              const float* dy, float* dx) {
  for_ranges(ex, n, grain_of(pixels * c), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t image = begin; image < end; ++image) {
      for_lanes(0, c, [&](auto d, std::int64_t l) HWY_ATTR {
        const auto share =
            hn::Div(hn::LoadU(d, dy + image * c + l), hn::Set(d, static_cast<float>(pixels)));
        float* to = dx + image * pixels * c + l;
        for (std::int64_t i = 0; i < pixels; ++i) hn::StoreU(share, d, to + i * c);
      });
    }
  });
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(max_pool_forward);
HWY_EXPORT(max_pool_backward);
HWY_EXPORT(avg_pool_forward);
HWY_EXPORT(avg_pool_backward);
HWY_EXPORT(global_avg_pool_forward);
HWY_EXPORT(global_avg_pool_backward);

void max_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y,
                      std::int32_t* argmax) {
  check(s);
  TRIFOLD_DISPATCH(max_pool_forward)(ex, s, x, y, argmax);
}

void max_pool_backward(const Exec& ex, const PoolShape& s, const float* dy,
                       const std::int32_t* argmax, float* dx) {
  check(s);
  TRIFOLD_DISPATCH(max_pool_backward)(ex, s, dy, argmax, dx);
}

void avg_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y) {
  check(s);
  TRIFOLD_DISPATCH(avg_pool_forward)(ex, s, x, y);
}

void avg_pool_backward(const Exec& ex, const PoolShape& s, const float* dy, float* dx) {
  check(s);
  TRIFOLD_DISPATCH(avg_pool_backward)(ex, s, dy, dx);
}

void global_avg_pool_forward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                             const float* x, float* y) {
  check_global_pool(n, pixels, c);
  TRIFOLD_DISPATCH(global_avg_pool_forward)(ex, n, pixels, c, x, y);
}

void global_avg_pool_backward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                              const float* dy, float* dx) {
  check_global_pool(n, pixels, c);
  TRIFOLD_DISPATCH(global_avg_pool_backward)(ex, n, pixels, c, dy, dx);
}

}  // namespace trifold::kernels::cpu
#endif
