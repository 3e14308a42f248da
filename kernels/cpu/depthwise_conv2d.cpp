/// Bound by memory: each pass reads its arrays and writes its result once. A channel has few
/// multiply-adds a pixel, so that a plain loop over the window would be held up by its loads; here
/// neighbouring outputs of a row are worked together, and what their windows share is loaded once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_conv2d.cpp"
#include "kernels/cpu/simd.h"

// Comes after simd.h, which selects the targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/lanes-inl.h"
#include "kernels/cpu/pointwise-inl.h"
#include "kernels/cpu/pool_spans.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu::HWY_NAMESPACE {

/// What the sums of a row of outputs start from, a value a channel (pitch 0), or what they are added
/// to (pitch c), zero where `values` is null; and what becomes of them.
struct Epilogue {
  const float* values;
  std::int64_t pitch;
  Activation act = Activation::none;

  template <class V>
  HWY_INLINE V finish(V sum) const {
    return act == Activation::relu ? relu(sum) : sum;
  }

  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, std::int64_t j, std::int64_t l) const {
    return values == nullptr ? hn::Zero(d) : hn::LoadU(d, values + j * pitch + l);
  }
};

/// One row of outputs of an image, and what of the input its windows cover.
struct Row {
  const float* x;      ///< the image's
  std::int64_t first;  ///< the row of x, perhaps outside, that the window's first row lies on
  Span taps;           ///< the window's rows that lie on the image
  /// The first row of the input, perhaps the next image's, that the outputs below read and these don't;
  /// null behind the last.
  const float* below;
  bool is_last;  ///< of the batch

  HWY_INLINE Row(const DepthwiseConv2dShape& s, const float* array, std::int64_t row)
      : x(array + row / s.p() * s.h * s.w * s.c),
        first(row % s.p() * s.stride_h - s.pad_h),
        is_last(row + 1 == s.n * s.p()) {
    const Span pixels = pixels_of(row % s.p(), s.r, s.stride_h, s.pad_h, s.h);
    taps = {pixels.begin - first, pixels.end - first};
    const std::int64_t next = row / s.p() * s.h + first + s.r;
    below = next >= 0 && next + s.stride_h <= s.n * s.h ? array + next * s.w * s.c : nullptr;
  }
};

/// Of `columns` columns of the row below, from the given one on: brings channels [l, l + 16) to the
/// cache, which a tile of outputs reads (or writes) next. It goes through many columns at once, in
/// which the processor sees no stream.
template <int kWrites>
HWY_INLINE void prefetch(const float* row, std::int64_t first, std::int64_t columns, std::int64_t c,
                         std::int64_t l) {
  for (std::int64_t j = first; j < first + columns; ++j) {
    __builtin_prefetch(row + j * c + l, kWrites);
  }
}

/// What a tile whose first output is in column j has to do with the input of the row below.
HWY_INLINE void prefetch_input(const DepthwiseConv2dShape& s, const Row& row, std::int64_t j,
                               std::int64_t count, std::int64_t l) {
  if (row.below == nullptr) return;
  const std::int64_t first = j * s.stride_w, columns = std::min(count * s.stride_w, s.w - first);
  for (std::int64_t i = 0; i < s.stride_h; ++i) {
    prefetch<0>(row.below + i * s.w * s.c, first, columns, s.c, l);
  }
}
constexpr std::int64_t line_floats = 16;

/// The outputs of a row that are worked together; where their windows lie on the image's columns alone
/// it is known to be kInside.
template <int kWindow, int kStride, int kCount, bool kInside>
struct Tile {
  static constexpr int count = kCount, stride = kStride, window = kWindow;
  /// Columns that the windows of the outputs cover together.
  static constexpr int columns = (kCount - 1) * kStride + kWindow;

  /// Calls f(column, output, tap) for each output and each tap of its window's row that lies on the
  /// image, column by column; `first` is the input's column at the tile's first.
  template <class OnColumn, class F>
  static HWY_INLINE void for_products(std::int64_t first, std::int64_t width,
                                      const OnColumn& on_column, const F& f) {
#pragma GCC unroll 16
    for (int i = 0; i < columns; ++i) {
      if (!kInside && (first + i < 0 || first + i >= width)) continue;
      const auto value = on_column(i);
#pragma GCC unroll 4
      for (int t = 0; t < kCount; ++t) {
        const int tap = i - t * kStride;
        if (tap >= 0 && tap < kWindow) f(value, t, tap);
      }
    }
  }
};

/// y of a tile's outputs from column j on.
template <class Tile>
HWY_INLINE void forward_tile(const DepthwiseConv2dShape& s, const Row& row, const float* w,
                             const Epilogue& ends, std::int64_t j, float* y) {
  constexpr int window = Tile::window;
  const std::int64_t first = j * Tile::stride - s.pad_w, c = s.c;
  for_lanes(0, c, [&](auto d, std::int64_t l) HWY_ATTR {
    using V = hn::Vec<decltype(d)>;
    V sums[Tile::count];
    for (int t = 0; t < Tile::count; ++t) sums[t] = ends.load(d, j + t, l);
    if (l % line_floats == 0) {
      prefetch_input(s, row, j, Tile::count, l);
      if (!row.is_last) prefetch<1>(y + s.q() * c, j, Tile::count, c, l);
    }
    const float* weights_at = w + row.taps.begin * window * c + l;
    std::int64_t from = ((row.first + row.taps.begin) * s.w + first) * c + l;
    for (std::int64_t r = row.taps.begin; r < row.taps.end; ++r) {
      V weights[window];
      for (int v = 0; v < window; ++v) weights[v] = hn::LoadU(d, weights_at + v * c);
      Tile::for_products(
          first, s.w, [&](std::int64_t i) HWY_ATTR { return hn::LoadU(d, row.x + from + i * c); },
          [&](V x, int t, int tap) HWY_ATTR { sums[t] = hn::MulAdd(x, weights[tap], sums[t]); });
      weights_at += window * c;
      from += s.w * c;
    }
    for (int t = 0; t < Tile::count; ++t) hn::StoreU(ends.finish(sums[t]), d, y + (j + t) * c + l);
  });
}

/// The same for one output with any window and stride.
HWY_INLINE void forward_output(const DepthwiseConv2dShape& s, const Row& row, const float* w,
                               const Epilogue& ends, std::int64_t j, float* y) {
  const std::int64_t first = j * s.stride_w - s.pad_w;
  const Span columns = pixels_of(j, s.s, s.stride_w, s.pad_w, s.w);
  for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
    auto sum = ends.load(d, j, l);
    for (std::int64_t r = row.taps.begin; r < row.taps.end; ++r) {
      const float* from = row.x + (row.first + r) * s.w * s.c + l;
      const float* weights = w + (r * s.s - first) * s.c + l;
      for (std::int64_t i = columns.begin; i < columns.end; ++i) {
        sum = hn::MulAdd(hn::LoadU(d, from + i * s.c), hn::LoadU(d, weights + i * s.c), sum);
      }
    }
    hn::StoreU(ends.finish(sum), d, y + j * s.c + l);
  });
}

/// Adds a tile's share to the gradients of the weights, and of the bias if it is wanted.
template <class Tile>
HWY_INLINE void weight_tile(const DepthwiseConv2dShape& s, const Row& row, const float* dy,
                            std::int64_t j, float* dw, float* db) {
  constexpr int window = Tile::window;
  const std::int64_t first = j * Tile::stride - s.pad_w, c = s.c;
  for_lanes(0, c, [&](auto d, std::int64_t l) HWY_ATTR {
    using V = hn::Vec<decltype(d)>;
    V gradients[Tile::count];
    for (int t = 0; t < Tile::count; ++t) gradients[t] = hn::LoadU(d, dy + (j + t) * c + l);
    if (l % line_floats == 0) {
      prefetch_input(s, row, j, Tile::count, l);
      if (!row.is_last) prefetch<0>(dy + s.q() * c, j, Tile::count, c, l);
    }
    float* to = dw + row.taps.begin * window * c + l;
    std::int64_t from = ((row.first + row.taps.begin) * s.w + first) * c + l;
    for (std::int64_t r = row.taps.begin; r < row.taps.end; ++r) {
      V sums[window];
      for (int v = 0; v < window; ++v) sums[v] = hn::LoadU(d, to + v * c);
      Tile::for_products(
          first, s.w, [&](std::int64_t i) HWY_ATTR { return hn::LoadU(d, row.x + from + i * c); },
          [&](V x, int t, int tap)
              HWY_ATTR { sums[tap] = hn::MulAdd(x, gradients[t], sums[tap]); });
      for (int v = 0; v < window; ++v) hn::StoreU(sums[v], d, to + v * c);
      to += window * c;
      from += s.w * c;
    }
    if (db == nullptr) return;
    V sum = hn::LoadU(d, db + l);
    for (int t = 0; t < Tile::count; ++t) sum = hn::Add(sum, gradients[t]);
    hn::StoreU(sum, d, db + l);
  });
}

/// The same for one output with any window and stride.
HWY_INLINE void weight_output(const DepthwiseConv2dShape& s, const Row& row, const float* dy,
                              std::int64_t j, float* dw, float* db) {
  const std::int64_t first = j * s.stride_w - s.pad_w;
  const Span columns = pixels_of(j, s.s, s.stride_w, s.pad_w, s.w);
  for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
    const auto gradient = hn::LoadU(d, dy + j * s.c + l);
    for (std::int64_t r = row.taps.begin; r < row.taps.end; ++r) {
      const float* from = row.x + (row.first + r) * s.w * s.c + l;
      float* const to = dw + (r * s.s - first) * s.c + l;
      for (std::int64_t i = columns.begin; i < columns.end; ++i) {
        const auto sum = hn::LoadU(d, to + i * s.c);
        hn::StoreU(hn::MulAdd(hn::LoadU(d, from + i * s.c), gradient, sum), d, to + i * s.c);
      }
    }
    if (db != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, db + l), gradient), d, db + l);
  });
}

/// Calls on_tile for each Tile of a row's outputs, with the column of its first; or on_output for each
/// output, where the window has no tiles.
template <class OnTile, class OnOutput>
HWY_INLINE void for_row(const DepthwiseConv2dShape& s, const OnTile& on_tile,
                        const OnOutput& on_output) {
  const std::int64_t q = s.q();
  const auto in_tiles = [&]<int kWindow, int kStride>() HWY_ATTR {
    using Inner = Tile<kWindow, kStride, 4, true>;
    std::int64_t j = 0;
    for (; j + 4 <= q; j += 4) {
      const std::int64_t first = j * kStride - s.pad_w;
      if (first >= 0 && first + Inner::columns <= s.w) {
        on_tile.template operator()<Inner>(j);
      } else {
        on_tile.template operator()<Tile<kWindow, kStride, 4, false>>(j);
      }
    }
    for (; j < q; ++j) on_tile.template operator()<Tile<kWindow, kStride, 1, false>>(j);
  };
  if (s.s == 3 && s.stride_w == 1) return in_tiles.template operator()<3, 1>();
  if (s.s == 3 && s.stride_w == 2) return in_tiles.template operator()<3, 2>();
  if (s.s == 5 && s.stride_w == 1) return in_tiles.template operator()<5, 1>();
  if (s.s == 5 && s.stride_w == 2) return in_tiles.template operator()<5, 2>();
  for (std::int64_t j = 0; j < q; ++j) on_output(j);
}

/// y = act(the sums); each row starts from `bias`, or from what y holds if it `adds`.
void correlate(const Exec& ex, const DepthwiseConv2dShape& s, const float* x, const float* w,
               const float* bias, bool adds, Activation act, float* y) {
  const std::int64_t size = s.q() * s.c;
  for_ranges(ex, s.n * s.p(), grain_of(size), [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
    for (std::int64_t i = begin; i < end; ++i) {
      const Row row(s, x, i);
      float* const to = y + i * size;
      const Epilogue ends = adds ? Epilogue{to, s.c, act} : Epilogue{bias, 0, act};
      for_row(
          s,
          [&]<class Tile>(std::int64_t j) HWY_ATTR { forward_tile<Tile>(s, row, w, ends, j, to); },
          [&](std::int64_t j) HWY_ATTR { forward_output(s, row, w, ends, j, to); });
    }
  });
}

/// Each pixel gathers from the windows that cover it, so that no two threads write one element.
void gather(const Exec& ex, const DepthwiseConv2dShape& s, const float* dy, const float* w,
            bool adds, float* dx) {
  const std::int64_t p = s.p(), q = s.q();
  const auto pixel = [&](std::int64_t row, std::int64_t j) HWY_ATTR {
    const std::int64_t i = row % s.h;
    const Span rows = windows_of(i, s.r, s.stride_h, s.pad_h, p),
               columns = windows_of(j, s.s, s.stride_w, s.pad_w, q);
    const float* from = dy + row / s.h * p * q * s.c;
    float* const to = dx + (row * s.w + j) * s.c;
    const Epilogue ends{adds ? to : nullptr, 0};
    for_lanes(0, s.c, [&](auto d, std::int64_t l) HWY_ATTR {
      auto sum = ends.load(d, 0, l);
      for (std::int64_t a = rows.begin; a < rows.end; ++a) {
        const std::int64_t r = i + s.pad_h - a * s.stride_h;
        for (std::int64_t b = columns.begin; b < columns.end; ++b) {
          const std::int64_t tap = r * s.s + j + s.pad_w - b * s.stride_w;
          sum = hn::MulAdd(hn::LoadU(d, from + (a * q + b) * s.c + l),
                           hn::LoadU(d, w + tap * s.c + l), sum);
        }
      }
      hn::StoreU(sum, d, to + l);
    });
  };
  for_ranges(ex, s.n * s.h, grain_of(s.w * s.c),
             [&](std::int64_t begin, std::int64_t end) HWY_ATTR {
               for (std::int64_t row = begin; row < end; ++row) {
                 for (std::int64_t j = 0; j < s.w; ++j) pixel(row, j);
               }
             });
}

/// Adds rows [begin, end) of the outputs to the gradients of the weights and of the bias.
void add_weight_gradient(const DepthwiseConv2dShape& s, const float* x, const float* dy,
                         std::int64_t begin, std::int64_t end, float* dw, float* db) {
  for (std::int64_t i = begin; i < end; ++i) {
    const Row row(s, x, i);
    const float* from = dy + i * s.q() * s.c;
    for_row(
        s, [&]<class Tile>(std::int64_t j) HWY_ATTR { weight_tile<Tile>(s, row, from, j, dw, db); },
        [&](std::int64_t j) HWY_ATTR { weight_output(s, row, from, j, dw, db); });
  }
}

}  // namespace trifold::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(correlate);
HWY_EXPORT(gather);
HWY_EXPORT(add_weight_gradient);

void depthwise_conv2d_forward(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                              const float* w, const float* b, Activation act, float* y) {
  check(s);
  TRIFOLD_DISPATCH(correlate)(ex, s, x, w, b, false, act, y);
}

/// With stride 1 the gradient is a correlation, too: of dy with the window turned round.
void depthwise_conv2d_backward_data(const Exec& ex, const DepthwiseConv2dShape& s, const float* dy,
                                    const float* w, Write write, float* dx) {
  check(s);
  const bool adds = write == Write::accumulate;
  if (s.stride_h != 1 || s.stride_w != 1) {
    TRIFOLD_DISPATCH(gather)(ex, s, dy, w, adds, dx);
    return;
  }
  thread_local Scratch scratch;
  float* const turned = scratch.floats(s.w_size());
  const std::int64_t taps = s.r * s.s;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    std::copy_n(w + tap * s.c, s.c, turned + (taps - 1 - tap) * s.c);
  }
  const DepthwiseConv2dShape back{.n = s.n,
                                  .h = s.p(),
                                  .w = s.q(),
                                  .c = s.c,
                                  .r = s.r,
                                  .s = s.s,
                                  .pad_h = s.r - 1 - s.pad_h,
                                  .pad_w = s.s - 1 - s.pad_w};
  TRIFOLD_DISPATCH(correlate)(ex, back, dy, turned, nullptr, adds, Activation::none, dx);
}

void depthwise_conv2d_backward_weight(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                                      const float* dy, float* dw, float* db) {
  check(s);
  constexpr std::int64_t most_parts = 32;  // as many threads may share the work
  const std::int64_t rows = s.n * s.p(), parts = std::min(rows, most_parts);
  // The bias' sums lie behind those of the weights.
  const std::int64_t size = s.w_size() + s.c;
  thread_local Scratch scratch;
  float* const partials = scratch.floats(parts * size);
  for_ranges(ex, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      float* const sums = partials + part * size;
      std::fill_n(sums, size, 0.0f);
      TRIFOLD_DISPATCH(add_weight_gradient)
      (s, x, dy, rows * part / parts, rows * (part + 1) / parts, sums,
       db == nullptr ? nullptr : sums + s.w_size());
    }
  });
  for (std::int64_t part = 1; part < parts; ++part) {
    for (std::int64_t i = 0; i < size; ++i) partials[i] += partials[part * size + i];
  }
  std::copy_n(partials, s.w_size(), dw);
  if (db != nullptr) std::copy_n(partials + s.w_size(), s.c, db);
}

}  // namespace trifold::kernels::cpu
#endif
