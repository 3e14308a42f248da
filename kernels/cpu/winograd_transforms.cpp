#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/winograd_transforms.cpp"
#include "kernels/cpu/simd.h"
// simd.h selects the targets that these compile.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/normalise-inl.h"
#include "kernels/cpu/partial_vectors-inl.h"
#include "kernels/cpu/winograd_transforms.h"

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

/// points = B^T v B, pixel p giving v = value_at(c, load)(p) for the vector of channels that starts
/// with c and is read with load.
template <class ValueAt>
HWY_INLINE void input_points(const float* const* pixels, std::int64_t begin, std::int64_t end,
                             float* points, std::int64_t stride, const ValueAt& value_at) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  const auto transform = [&](std::int64_t c, const auto& load) TRIFOLD_INLINE_LAMBDA {
    const auto value = value_at(c, load);
    both_sides<InputMatrix, 6, 6>(
        [&](int i, int j) TRIFOLD_INLINE_LAMBDA { return value(pixels[6 * i + j]); },
        [&](int i, int j, Vec v)
            TRIFOLD_INLINE_LAMBDA { hn::StoreU(v, d, points + (6 * i + j) * stride + c - begin); });
  };
  std::int64_t c = begin;
  for (; c + lanes <= end; c += lanes) {
    transform(c, [&](const float* p) TRIFOLD_INLINE_LAMBDA { return hn::LoadU(d, p); });
  }
  if (c < end) {
    transform(c, [&](const float* p) TRIFOLD_INLINE_LAMBDA { return load_part(end - c, p); });
  }
}

void input(const float* const* pixels, std::int64_t begin, std::int64_t end, float* points,
           std::int64_t stride) {
  input_points(pixels, begin, end, points, stride,
               [](std::int64_t c, const auto& load) TRIFOLD_INLINE_LAMBDA {
                 return [c, &load](const float* p) TRIFOLD_INLINE_LAMBDA { return load(p + c); };
               });
}

void normalised_input(const InputNorm& norm, const float* const* pixels, const float* outside,
                      std::int64_t begin, std::int64_t end, float* points, std::int64_t stride) {
  const bool with_relu = norm.act == Activation::relu;
  input_points(pixels, begin, end, points, stride,
               [&](std::int64_t c, const auto& load) TRIFOLD_INLINE_LAMBDA {
                 const Vec mean = load(norm.mean + c), scale = load(norm.scale + c),
                           shift = load(norm.shift + c);
                 return [=, &load](const float* p) TRIFOLD_INLINE_LAMBDA {
                   if (p == outside) return hn::Zero(Tag());
                   const Vec v = normalise(load(p + c), mean, scale, shift);
                   return with_relu ? relu(v) : v;
                 };
               });
}

void output(const float* points, std::int64_t stride, std::int64_t filters, const float* bias,
            const float* const* addends, bool with_relu, float* const* pixels) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  for (std::int64_t f = 0; f < filters; f += lanes) {
    const std::int64_t left = filters - f;
    const Vec b = hn::LoadU(d, bias + f);
    both_sides<OutputMatrix, 6, 4>(
        [&](int i, int j)
            TRIFOLD_INLINE_LAMBDA { return hn::LoadU(d, points + (6 * i + j) * stride + f); },
        [&](int i, int j, Vec v) TRIFOLD_INLINE_LAMBDA {
          float* const y = pixels[4 * i + j];
          if (y == nullptr) return;
          v = hn::Add(v, b);
          if (addends) v = hn::Add(load_first(left, addends[4 * i + j] + f), v);
          if (with_relu) v = relu(v);
          store_first(v, left, y + f);
        });
  }
}

void output_gradient(const float* const* pixels, std::int64_t filters, float* points,
                     std::int64_t stride) {
  const Tag d;
  constexpr std::int64_t lanes = HWY_LANES(float);
  const auto transform = [&](std::int64_t f, const auto& load) TRIFOLD_INLINE_LAMBDA {
    both_sides<OutputGradientMatrix, 4, 6>(
        [&](int i, int j) TRIFOLD_INLINE_LAMBDA { return load(pixels[4 * i + j] + f); },
        [&](int i, int j, Vec v)
            TRIFOLD_INLINE_LAMBDA { hn::StoreU(v, d, points + (6 * i + j) * stride + f); });
  };
  std::int64_t f = 0;
  for (; f + lanes <= filters; f += lanes) {
    transform(f, [&](const float* p) TRIFOLD_INLINE_LAMBDA { return hn::LoadU(d, p); });
  }
  if (f < filters) {
    transform(f, [&](const float* p) TRIFOLD_INLINE_LAMBDA { return load_part(filters - f, p); });
  }
}

void weight(const float* w, std::int64_t tap, std::int64_t filters, float* points,
            std::int64_t stride) {
  const Tag d;
  both_sides<WeightMatrix, 3, 6>(
      [&](int i, int j)
          TRIFOLD_INLINE_LAMBDA { return load_first(filters, w + (3 * i + j) * tap); },
      [&](int i, int j, Vec v)
          TRIFOLD_INLINE_LAMBDA { hn::StoreU(v, d, points + (6 * i + j) * stride); });
}

void weight_gradient(const float* points, std::int64_t stride, std::int64_t parts,
                     std::int64_t part, std::int64_t filters, float* dw, std::int64_t tap) {
  const Tag d;
  both_sides<WeightGradientMatrix, 6, 3>(
      [&](int i, int j) TRIFOLD_INLINE_LAMBDA {
        const float* from = points + (6 * i + j) * stride;
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
          input,
          normalised_input,
          output,
          output_gradient,
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
