#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d/register_tiles.cpp"
#include "kernels/cpu/simd.h"
// simd.h selects the targets that these two compile.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/conv2d/register_tiles.h"
#include "kernels/cpu/partial_vectors-inl.h"
#include "kernels/cpu/pointwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu {
namespace HWY_NAMESPACE {
/// Runs body<0>() ... body<count - 1>(): with literal indices the accumulators stay in registers.
template <int count, class Body>
HWY_INLINE void unroll(const Body& body) {
  if constexpr (count > 0) {
    unroll<count - 1>(body);
    body.template operator()<count - 1>();
  }
}
#define TRIFOLD_UNROLL(count, i) unroll<count>([&]<int i>() HWY_ATTR __attribute__((always_inline))
#define TRIFOLD_UNROLL_END )

/// Rows of a tile: with its vectors of accumulators, one vector of weights each and a broadcast,
/// it fills the registers, 32 of them on AVX-512 and 16 below. The fused multiply-add's latency of
/// four or five cycles at two a cycle asks for at least ten accumulators.
template <int vectors>
constexpr int rows() {
  const bool wide = HWY_TARGET == HWY_AVX3;
  return vectors == 1 ? (wide ? 16 : 12) : (wide ? 12 : 6);
}

/// Terms that share one look at the pixels' addresses, which are too many for the general
/// registers; as many as there are registers left for their weights.
template <int vectors>
constexpr int terms_together() {
  const bool wide = HWY_TARGET == HWY_AVX3;
  return vectors == 1 ? (wide ? 4 : 2) : (wide ? 2 : 1);
}

/// sum[i] += x(i)[t] w[t] for t = 0 ... terms - 1.
template <int pixels, int vectors, int terms, class X>
HWY_INLINE void multiply_add(const X& x, const float* w, Vec (&sum)[pixels][vectors]) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  Vec weight[terms][vectors];
  TRIFOLD_UNROLL(terms, t) {
    TRIFOLD_UNROLL(vectors, v) { weight[t][v] = hn::LoadU(d, w + (t * vectors + v) * lanes); }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;
  TRIFOLD_UNROLL(pixels, i) {
    const float* values = x(i);
    TRIFOLD_UNROLL(terms, t) {
      const Vec value = hn::Set(d, values[t]);
      TRIFOLD_UNROLL(vectors, v) { sum[i][v] = hn::MulAdd(value, weight[t][v], sum[i][v]); }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;
}

template <int pixels, int vectors>
void output_tile(const OutputPanel& t, std::int64_t first) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  constexpr int together = terms_together<vectors>();
  const float* x[pixels];
  Vec sum[pixels][vectors];
  // Memory to be written is on its way while the sums are taken, if these are long enough.
  if (t.runs * t.run_length >= 64) {
    TRIFOLD_UNROLL(pixels, i) {
      TRIFOLD_UNROLL(vectors, v) { __builtin_prefetch(t.y + t.y_offset[first + i] + v * lanes, 1); }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL(pixels, i) {
    x[i] = t.x + t.x_offset[first + i];
    TRIFOLD_UNROLL(vectors, v) { sum[i][v] = hn::LoadU(d, t.b + v * lanes); }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;

  const float* w = t.w;
  for (std::int64_t run = 0; run < t.runs; ++run) {
    const std::int64_t begin = run * t.run_stride, end = begin + t.run_length;
    std::int64_t j = begin;
    const auto at = [&](int i) HWY_ATTR __attribute__((always_inline)) { return x[i] + j; };
    for (; j + together <= end; j += together, w += together * vectors * lanes)
      multiply_add<pixels, vectors, together>(at, w, sum);
    for (; j < end; ++j, w += vectors * lanes) multiply_add<pixels, vectors, 1>(at, w, sum);
  }

  if (t.addend != nullptr) {
    TRIFOLD_UNROLL(pixels, i) {
      const float* addend = t.addend + t.y_offset[first + i];
      TRIFOLD_UNROLL(vectors, v) {
        sum[i][v] = hn::Add(load_first(t.filters - v * lanes, addend + v * lanes), sum[i][v]);
      }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  }
  if (t.relu) {
    TRIFOLD_UNROLL(pixels, i) {
      TRIFOLD_UNROLL(vectors, v) { sum[i][v] = relu(sum[i][v]); }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  }
  if (t.filters >= vectors * lanes) {
    TRIFOLD_UNROLL(pixels, i) {
      float* y = t.y + t.y_offset[first + i];
      TRIFOLD_UNROLL(vectors, v) { hn::StoreU(sum[i][v], d, y + v * lanes); }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  } else {
    TRIFOLD_UNROLL(pixels, i) {
      float* y = t.y + t.y_offset[first + i];
      TRIFOLD_UNROLL(vectors, v) { store_first(sum[i][v], t.filters - v * lanes, y + v * lanes); }
      TRIFOLD_UNROLL_END;
    }
    TRIFOLD_UNROLL_END;
  }
}

template <int rows, int vectors>
void product_tile(const ProductPanel& t, std::int64_t first) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  constexpr int together = terms_together<vectors>();
  Vec sum[rows][vectors];
  float* const m = t.m + first * lanes;
  TRIFOLD_UNROLL(rows, i) {
    TRIFOLD_UNROLL(vectors, v) {
      sum[i][v] = t.add ? hn::LoadU(d, m + v * t.m_vector + i * lanes) : hn::Zero(d);
    }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;

  const float* w = t.w;
  const float* vector = t.v + first * lanes;
  for (std::int64_t left = t.channels; left > 0; left -= lanes, vector += t.v_vector) {
    const float* x = vector;
    const float* const end = x + (left < lanes ? left : lanes);
    const auto at = [&](int i) HWY_ATTR __attribute__((always_inline)) { return x + i * lanes; };
    for (; x + together <= end; x += together, w += together * vectors * lanes)
      multiply_add<rows, vectors, together>(at, w, sum);
    for (; x < end; ++x, w += vectors * lanes) multiply_add<rows, vectors, 1>(at, w, sum);
  }

  TRIFOLD_UNROLL(rows, i) {
    TRIFOLD_UNROLL(vectors, v) { hn::StoreU(sum[i][v], d, m + v * t.m_vector + i * lanes); }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;
}

template <int length, int vectors>
void weight_tile(const WeightPanel& t, std::int64_t first) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  Vec sum[length][vectors];
  float* dw = t.dw + first * t.dw_stride;
  TRIFOLD_UNROLL(length, j) {
    TRIFOLD_UNROLL(vectors, v) {
      sum[j][v] = t.add ? hn::LoadU(d, dw + j * t.dw_stride + v * lanes) : hn::Zero(d);
    }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;

  for (std::int64_t row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_row + first;
    const float* dy = t.dy + row * t.dy_row;
    for (std::int64_t i = 0; i < t.pixels; ++i, x += t.x_pixel, dy += t.dy_pixel) {
      Vec gradient[vectors];
      TRIFOLD_UNROLL(vectors, v) { gradient[v] = hn::LoadU(d, dy + v * t.dy_vector); }
      TRIFOLD_UNROLL_END;
      TRIFOLD_UNROLL(length, j) {
        const Vec value = hn::Set(d, x[j]);
        TRIFOLD_UNROLL(vectors, v) { sum[j][v] = hn::MulAdd(value, gradient[v], sum[j][v]); }
        TRIFOLD_UNROLL_END;
      }
      TRIFOLD_UNROLL_END;
    }
  }

  TRIFOLD_UNROLL(length, j) {
    TRIFOLD_UNROLL(vectors, v) { hn::StoreU(sum[j][v], d, dw + j * t.dw_stride + v * lanes); }
    TRIFOLD_UNROLL_END;
  }
  TRIFOLD_UNROLL_END;
}

/// Calls run<size>(), 1 <= size <= most.
template <int most, class Run>
void with_size(std::int64_t size, const Run& run) {
  if (size == most) return run.template operator()<most>();
  if constexpr (most > 1) with_size<most - 1>(size, run);
}

/// Cuts `total` rows into the fewest tiles, of sizes that differ by one at most, the larger ones in
/// front, and calls tile<size, vectors>(first) for each.
template <int vectors, class Tile>
void cut(std::int64_t total, const Tile& tile) {
  constexpr int most = rows<vectors>();
  const std::int64_t count = (total + most - 1) / most;
  if (count == 0) return;
  const std::int64_t smaller = total / count, larger = total % count;
  std::int64_t first = 0;
  const auto run = [&](std::int64_t tiles, std::int64_t rows) {
    with_size<most>(rows, [&]<int size>() {
      for (std::int64_t i = 0; i < tiles; ++i, first += size) {
        tile.template operator()<size, vectors>(first);
      }
    });
  };
  if (larger > 0) run(larger, smaller + 1);
  run(count - larger, smaller);
}

template <class Tile>
void cut(std::int64_t vectors, std::int64_t total, const Tile& tile) {
  if (vectors == 1) return cut<1>(total, tile);
  cut<2>(total, tile);
}

void output(const OutputPanel& t) {
  cut(t.vectors, t.pixels,
      [&]<int size, int vectors>(std::int64_t first) { output_tile<size, vectors>(t, first); });
}

void product(const ProductPanel& t) {
  cut(t.vectors, t.rows,
      [&]<int size, int vectors>(std::int64_t first) { product_tile<size, vectors>(t, first); });
}

void weight(const WeightPanel& t) {
  cut(t.vectors, t.run_length,
      [&]<int size, int vectors>(std::int64_t first) { weight_tile<size, vectors>(t, first); });
}

RegisterTiles register_tiles_of_target() {
  return {level_of_target(HWY_TARGET), HWY_LANES(float), output, product, weight};
}

#undef TRIFOLD_UNROLL
#undef TRIFOLD_UNROLL_END

}  // namespace HWY_NAMESPACE
}  // namespace trifold::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(register_tiles_of_target);

RegisterTiles register_tiles() { return TRIFOLD_DISPATCH(register_tiles_of_target)(); }

}  // namespace trifold::kernels::cpu
#endif
