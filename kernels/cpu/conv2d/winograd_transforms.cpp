#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d/winograd_transforms.cpp"
#include "kernels/cpu/simd.h"
// simd.h selects the targets that these compile.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/conv2d/winograd_transforms.h"
#include "kernels/cpu/partial_vectors-inl.h"
#include "kernels/cpu/pointwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trifold::kernels::cpu {
namespace HWY_NAMESPACE {

// The matrices, one vector of them at a time.

struct InputMatrix {  // B^T
  HWY_INLINE static void apply(const Vec (&x)[6], Vec (&y)[6]) {
    const Tag d;
    const Vec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f), five = hn::Set(d, 5.0f);
    const Vec even = hn::NegMulAdd(four, x[2], x[4]), odd = hn::NegMulAdd(four, x[1], x[3]);
    const Vec difference = hn::Sub(x[4], x[2]), twice = hn::Mul(two, hn::Sub(x[3], x[1]));
    y[0] = hn::MulAdd(four, x[0], hn::NegMulAdd(five, x[2], x[4]));
    y[1] = hn::Add(even, odd);
    y[2] = hn::Sub(even, odd);
    y[3] = hn::Add(difference, twice);
    y[4] = hn::Sub(difference, twice);
    y[5] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
  }
};

struct OutputMatrix {  // A^T
  HWY_INLINE static void apply(const Vec (&x)[6], Vec (&y)[4]) {
    const Tag d;
    const Vec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f), eight = hn::Set(d, 8.0f);
    const Vec sum1 = hn::Add(x[1], x[2]), difference1 = hn::Sub(x[1], x[2]);
    const Vec sum2 = hn::Add(x[3], x[4]), difference2 = hn::Sub(x[3], x[4]);
    y[0] = hn::Add(x[0], hn::Add(sum1, sum2));
    y[1] = hn::MulAdd(two, difference2, difference1);
    y[2] = hn::MulAdd(four, sum2, sum1);
    y[3] = hn::Add(x[5], hn::MulAdd(eight, difference2, difference1));
  }
};

struct OutputGradientMatrix {  // A
  HWY_INLINE static void apply(const Vec (&x)[4], Vec (&y)[6]) {
    const Tag d;
    const Vec two = hn::Set(d, 2.0f), four = hn::Set(d, 4.0f);
    const Vec even1 = hn::Add(x[0], x[2]), odd1 = hn::Add(x[1], x[3]);
    const Vec even2 = hn::MulAdd(four, x[2], x[0]);
    const Vec odd2 = hn::Mul(two, hn::MulAdd(four, x[3], x[1]));
    y[0] = x[0];
    y[1] = hn::Add(even1, odd1);
    y[2] = hn::Sub(even1, odd1);
    y[3] = hn::Add(even2, odd2);
    y[4] = hn::Sub(even2, odd2);
    y[5] = x[3];
  }
};

struct WeightMatrix {  // G
  HWY_INLINE static void apply(const Vec (&x)[3], Vec (&y)[6]) {
    const Tag d;
    const Vec quarter = hn::Set(d, 0.25f), sixth = hn::Set(d, 1.0f / 6.0f);
    const Vec sum = hn::Add(x[0], x[2]), half = hn::Set(d, 0.5f);
    // x0 / 24 + x2 / 6 = (x0 / 4 + x2) / 6, x1 / 12 = (x1 / 2) / 6.
    const Vec even = hn::MulAdd(quarter, x[0], x[2]), odd = hn::Mul(half, x[1]);
    y[0] = hn::Mul(quarter, x[0]);
    y[1] = hn::Neg(hn::Mul(sixth, hn::Add(sum, x[1])));
    y[2] = hn::Neg(hn::Mul(sixth, hn::Sub(sum, x[1])));
    y[3] = hn::Mul(sixth, hn::Add(even, odd));
    y[4] = hn::Mul(sixth, hn::Sub(even, odd));
    y[5] = x[2];
  }
};

struct WeightGradientMatrix {  // G^T
  HWY_INLINE static void apply(const Vec (&x)[6], Vec (&y)[3]) {
    const Tag d;
    const Vec quarter = hn::Set(d, 0.25f), half = hn::Set(d, 0.5f);
    const Vec sixth = hn::Set(d, 1.0f / 6.0f);
    const Vec sum1 = hn::Add(x[1], x[2]), sum2 = hn::Add(x[3], x[4]);
    const Vec difference1 = hn::Sub(x[2], x[1]), difference2 = hn::Sub(x[3], x[4]);
    y[0] = hn::NegMulAdd(sixth, hn::NegMulAdd(quarter, sum2, sum1), hn::Mul(quarter, x[0]));
    y[1] = hn::Mul(sixth, hn::MulAdd(half, difference2, difference1));
    y[2] = hn::MulAdd(sixth, hn::Sub(sum2, sum1), x[5]);
  }
};

/// y = M x M^T: load(i, j) gives x, store(i, j, v) takes y.
template <class Matrix, int in, int out, class Load, class Store>
HWY_INLINE void both_sides(const Load& load, const Store& store) {
  Vec half[out][in];
#pragma GCC unroll 6
  for (int j = 0; j < in; ++j) {
    Vec x[in], y[out];
#pragma GCC unroll 6
    for (int i = 0; i < in; ++i) x[i] = load(i, j);
    Matrix::apply(x, y);
#pragma GCC unroll 6
    for (int i = 0; i < out; ++i) half[i][j] = y[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < out; ++i) {
    Vec y[out];
    Matrix::apply(half[i], y);
#pragma GCC unroll 6
    for (int j = 0; j < out; ++j) store(i, j, y[j]);
  }
}

#define TRIFOLD_INLINE_LAMBDA HWY_ATTR __attribute__((always_inline))

constexpr std::int64_t kLanes = HWY_LANES(float);

/// h = M x down the columns, `load(p)` giving the vector of a pixel. `whole`: every row exists.
template <class Matrix, int in, int out, bool whole, class Load>
HWY_INLINE void columns(const StripInput& x, const Load& load, float* h, std::int64_t row) {
  const Tag d;
  // A row that can be read stands for those that can't.
  const float* some = nullptr;
  for (int i = 0; i < in; ++i) some = x.rows[i] != nullptr ? x.rows[i] : some;
  const float* rows[in];
  hn::Mask<Tag> exists[in];
#pragma GCC unroll 6
  for (int i = 0; i < in; ++i) {
    rows[i] = x.rows[i] != nullptr ? x.rows[i] : some;
    exists[i] = hn::FirstN(d, x.rows[i] != nullptr ? kLanes : 0);
  }
  const auto zeros = [&](std::int64_t begin, std::int64_t end) TRIFOLD_INLINE_LAMBDA {
    for (std::int64_t j = begin; j < end; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < out; ++i) hn::StoreU(hn::Zero(d), d, h + i * row + j * kLanes);
    }
  };
  zeros(0, x.begin);
  for (std::int64_t j = x.begin, at = 0; j < x.end; ++j, at += x.pixel) {
    Vec v[in], y[out];
#pragma GCC unroll 6
    for (int i = 0; i < in; ++i) {
      v[i] = load(rows[i] + at);
      if constexpr (!whole) v[i] = hn::IfThenElseZero(exists[i], v[i]);
    }
    Matrix::apply(v, y);
#pragma GCC unroll 6
    for (int i = 0; i < out; ++i) hn::StoreU(y[i], d, h + i * row + j * kLanes);
  }
  zeros(x.end, x.columns);
}

template <class Matrix, int in, int out, class Load>
HWY_INLINE void columns(const StripInput& x, const Load& load, float* h, std::int64_t row) {
  bool whole = true;
  for (int i = 0; i < in; ++i) whole = whole && x.rows[i] != nullptr;
  if (whole) {
    columns<Matrix, in, out, true>(x, load, h, row);
  } else {
    columns<Matrix, in, out, false>(x, load, h, row);
  }
}

/// Calls f with what loads the vector of the `left` channels that are left.
template <class F>
HWY_INLINE void with_load(std::int64_t left, const F& f) {
  if (left >= kLanes) {
    f([](const float* p) TRIFOLD_INLINE_LAMBDA { return hn::LoadU(Tag(), p); });
  } else {
    f([left](const float* p) TRIFOLD_INLINE_LAMBDA { return load_part(left, p); });
  }
}

void patch_columns(const StripInput& x, const InputNorm* norm, std::int64_t c,
                   std::int64_t channels, float* h, std::int64_t row) {
  with_load(channels - c, [&](const auto& load) TRIFOLD_INLINE_LAMBDA {
    if (norm == nullptr) {
      columns<InputMatrix, 6, 6>(
          x, [c, &load](const float* p) TRIFOLD_INLINE_LAMBDA { return load(p + c); }, h, row);
      return;
    }
    const bool with_relu = norm->act == Activation::relu;
    const Vec mean = load(norm->mean + c), scale = load(norm->scale + c),
              shift = load(norm->shift + c);
    columns<InputMatrix, 6, 6>(
        x,
        [=, &load](const float* p) TRIFOLD_INLINE_LAMBDA {
          const Vec v = normalise(load(p + c), mean, scale, shift);
          return with_relu ? relu(v) : v;
        },
        h, row);
  });
}

void gradient_columns(const StripInput& g, const OutputGradient& from, float* stored_dy,
                      std::int64_t f, std::int64_t filters, float* h, std::int64_t row) {
  const std::int64_t left = filters - f;
  with_load(left, [&](const auto& load) TRIFOLD_INLINE_LAMBDA {
    if (from.y == nullptr) {
      columns<OutputGradientMatrix, 4, 6>(
          g, [f, &load](const float* p) TRIFOLD_INLINE_LAMBDA { return load(p + f); }, h, row);
      return;
    }
    const DeferredCoefficients<Vec> deferred{load(from.mean + f), load(from.scale + f),
                                             load(from.coefficient + f), load(from.constant + f)};
    columns<OutputGradientMatrix, 4, 6>(
        g,
        [&](const float* p) TRIFOLD_INLINE_LAMBDA {
          const std::int64_t at = p - from.g + f;
          const Vec dy = deferred.gradient(load(p + f), load(from.y + at));
          store_first(dy, left, stored_dy + at);
          return dy;
        },
        h, row);
  });
}

/// y = x M^T along a row, tile by tile; elements of a tile lie `from_step` and `to_step` apart.
template <class Matrix, int in, int out>
HWY_INLINE void rows(const float* from, std::int64_t from_tile, std::int64_t from_step, float* to,
                     std::int64_t to_tile, std::int64_t to_step, std::int64_t tiles) {
  const Tag d;
  for (std::int64_t t = 0; t < tiles; ++t, from += from_tile, to += to_tile) {
    Vec x[in], y[out];
#pragma GCC unroll 6
    for (int j = 0; j < in; ++j) x[j] = hn::LoadU(d, from + j * from_step);
    Matrix::apply(x, y);
#pragma GCC unroll 6
    for (int j = 0; j < out; ++j) hn::StoreU(y[j], d, to + j * to_step);
  }
}

void patch_rows(const float* h, std::int64_t tiles, float* v, std::int64_t component) {
  rows<InputMatrix, 6, 6>(h, 4 * kLanes, kLanes, v, kLanes, component, tiles);
}

void gradient_rows(const float* h, std::int64_t tiles, float* z, std::int64_t component) {
  rows<OutputGradientMatrix, 4, 6>(h, 4 * kLanes, kLanes, z, kLanes, component, tiles);
}

void output_rows(const float* m, std::int64_t component, std::int64_t tiles, float* g) {
  rows<OutputMatrix, 6, 4>(m, kLanes, component, g, 4 * kLanes, kLanes, tiles);
}

/// Calls epilogue(v, i, at) for the results of all columns; `at` is where they go in row i of y.
template <class Epilogue>
HWY_INLINE void output_columns(const float* g, std::int64_t row, std::int64_t f,
                               const StripOutput& y, const Epilogue& epilogue) {
  const Tag d;
  const Vec bias = hn::LoadU(d, y.bias + f);
  for (std::int64_t j = 0, at = f; j < y.columns; ++j, at += y.pixel) {
    Vec x[6], result[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) x[i] = hn::LoadU(d, g + i * row + j * kLanes);
    OutputMatrix::apply(x, result);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) epilogue(hn::Add(result[i], bias), i, at);
  }
}

void output_columns(const float* g, std::int64_t row, std::int64_t f, std::int64_t filters,
                    const StripOutput& y) {
  const Tag d;
  const std::int64_t left = filters - f;
  float* const rows[4] = {y.rows[0], y.rows[1], y.rows[2], y.rows[3]};
  // What training runs nearly all the time, and all the rest.
  if (y.count == 4 && left >= kLanes && !y.relu && y.addends[0] == nullptr) {
    output_columns(g, row, f, y, [&](Vec v, int i, std::int64_t at) TRIFOLD_INLINE_LAMBDA {
      hn::StoreU(v, d, rows[i] + at);
    });
    return;
  }
  output_columns(g, row, f, y, [&](Vec v, int i, std::int64_t at) TRIFOLD_INLINE_LAMBDA {
    if (i >= y.count) return;
    if (y.addends[i] != nullptr) v = hn::Add(load_first(left, y.addends[i] + at), v);
    if (y.relu) v = relu(v);
    store_first(v, left, rows[i] + at);
  });
}

void weight(const float* w, std::int64_t tap, std::int64_t filters, float* components,
            std::int64_t stride) {
  const Tag d;
  both_sides<WeightMatrix, 3, 6>(
      [&](int i, int j)
          TRIFOLD_INLINE_LAMBDA { return load_first(filters, w + (3 * i + j) * tap); },
      [&](int i, int j, Vec v)
          TRIFOLD_INLINE_LAMBDA { hn::StoreU(v, d, components + (6 * i + j) * stride); });
}

void weight_gradient(const float* components, std::int64_t stride, std::int64_t parts,
                     std::int64_t part, std::int64_t filters, float* dw, std::int64_t tap) {
  const Tag d;
  both_sides<WeightGradientMatrix, 6, 3>(
      [&](int i, int j) TRIFOLD_INLINE_LAMBDA {
        const float* from = components + (6 * i + j) * stride;
        Vec sum = hn::LoadU(d, from);
        for (std::int64_t p = 1; p < parts; ++p) sum = hn::Add(sum, hn::LoadU(d, from + p * part));
        return sum;
      },
      [&](int i, int j, Vec v)
          TRIFOLD_INLINE_LAMBDA { store_first(v, filters, dw + (3 * i + j) * tap); });
}

#undef TRIFOLD_INLINE_LAMBDA

WinogradTransforms transforms_of_target() {
  return {level_of_target(HWY_TARGET),
          HWY_LANES(float),
          patch_columns,
          patch_rows,
          gradient_columns,
          gradient_rows,
          output_rows,
          output_columns,
          weight,
          weight_gradient};
}

}  // namespace HWY_NAMESPACE
}  // namespace trifold::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trifold::kernels::cpu {

HWY_EXPORT(transforms_of_target);

WinogradTransforms winograd_transforms() { return TRIFOLD_DISPATCH(transforms_of_target)(); }

}  // namespace trifold::kernels::cpu
#endif
