/// The loop of a block over the depth of its tile.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/conv2d/fma.cuh"
#include "kernels/cuda/conv2d/gradient_operand.cuh"
#include "kernels/cuda/conv2d/mma.cuh"
#include "kernels/cuda/conv2d/norm_operand.cuh"
#include "kernels/cuda/conv2d/operands.cuh"
#include "kernels/simt/tensor_core.h"

namespace trifold::kernels::cuda {

/// How a kernel multiplies, given the tile and the operands' slices.
struct Fp32 {
  using Element = float;
  template <class Tile, class SliceA, class SliceB>
  using Product = FloatProduct<Tile, SliceA, SliceB>;
};
struct Tf32 {
  using Element = float;
  template <class Tile, class SliceA, class SliceB>
  using Product = TensorProduct<Tf32Fragments, Tile, SliceA, SliceB>;
};
struct Bf16 {
  using Element = __nv_bfloat16;
  template <class Tile, class SliceA, class SliceB>
  using Product = TensorProduct<Bf16Fragments, Tile, SliceA, SliceB>;
};

/// What a block has in shared memory: the stages of the loop, then in their place the tile of C.
template <class Math, class Tile, class A, class B>
struct Layout {
  using Element = typename Math::Element;
  using SliceA = typename A::template Slice<Element>;
  using SliceB = typename B::template Slice<Element>;
  using Product = typename Math::template Product<Tile, SliceA, SliceB>;

  /// Asynchronous copies run two steps ahead of the products. Copies that convert hold one step in
  /// registers and fill one stage while the other is read.
  static constexpr bool asynchronous = std::is_same_v<Element, float>;
  static constexpr int stages = asynchronous ? 3 : 2;
  static constexpr int stage = SliceA::size + SliceB::size;  ///< elements
  /// What a deferred B is copied from beside its slice: a thread evaluates what it copied itself,
  /// before the barrier, so that the next step but one may overwrite it.
  static constexpr int beside = asynchronous && is_deferred<B> ? SliceB::size : 0;

  static constexpr int tile_pitch = Tile::columns + 8;  ///< pairs of 4 columns by 8 rows: all banks
  static constexpr int loop_bytes = (stages * stage + 2 * beside) * sizeof(Element);
  static constexpr int tile_bytes = Tile::rows * tile_pitch * sizeof(float);
  static constexpr int vectors = (loop_bytes > tile_bytes ? loop_bytes : tile_bytes) / 16;
};

/// Starts the copy of an operand's next step into a slice of floats.
template <int width, int threads, class Slice, class Operand>
__device__ void copy_vectors(Operand& operand, float* slice) {
  using Share = cuda::Share<Slice, width, threads>;
#pragma unroll
  for (int i = 0; i < Share::count; ++i) {
    if (!Share::has(i)) break;
    const float* from = operand.template address<Share>(i);
    float* to = slice + Slice::at(Share::outer(i), Share::depth(i));
    if constexpr (width == 4) {
      simt::cp_async16(to, from, from != nullptr);
    } else {
      simt::cp_async4(to, from, from != nullptr);
    }
    operand.next_vector();
  }
  operand.next_step();
}

template <int threads, class Slice, class Operand>
__device__ void copy(Operand& operand, float* slice) {
  if (operand.vectors()) {
    copy_vectors<4, threads, Slice>(operand, slice);
  } else {
    copy_vectors<1, threads, Slice>(operand, slice);
  }
}

/// Normalises this thread's share of a step of `a` in the slice where it has arrived.
template <int width, int threads, class Slice, class Operand>
__device__ void normalise_vectors(const Operand& a, float* slice) {
  using Share = cuda::Share<Slice, width, threads>;
  const auto norm = a.template norm<width>();
#pragma unroll
  for (int i = 0; i < Share::count; ++i) {
    if (!Share::has(i)) break;
    float* at = slice + Slice::at(Share::outer(i), Share::depth(i));
    if (a.has(i)) store<width>(at, norm(load<width>(at)));
  }
}

template <int threads, class Slice, class Operand>
__device__ void normalise(const Operand& a, float* slice) {
  if (a.vectors()) {
    normalise_vectors<4, threads, Slice>(a, slice);
  } else {
    normalise_vectors<1, threads, Slice>(a, slice);
  }
}

/// Evaluates this thread's share of a step of `b` in the slice where g has arrived, from y beside
/// it.
template <int width, int threads, class Slice, class Operand>
__device__ void evaluate_vectors(Operand& b, float* slice, const float* beside) {
  using Share = cuda::Share<Slice, width, threads>;
  const auto factors = b.template factors<Share, width>();
#pragma unroll
  for (int i = 0; i < Share::count; ++i) {
    if (!Share::has(i)) break;
    const std::int64_t offset = b.template offset_of_evaluated<Share>(i);
    if (offset < 0) continue;
    const int at = Slice::at(Share::outer(i), Share::depth(i));
    const Floats<width> dy = factors(load<width>(slice + at), load<width>(beside + at));
    store(slice + at, dy);
    b.keep(offset, dy);
  }
  b.next_evaluated();
}

template <int threads, class Slice, class Operand>
__device__ void evaluate(Operand& b, float* slice, const float* beside) {
  if (b.vectors()) {
    evaluate_vectors<4, threads, Slice>(b, slice, beside);
  } else {
    evaluate_vectors<1, threads, Slice>(b, slice, beside);
  }
}

/// One thread's share of one step of an operand, on its way through registers to bf16.
template <int threads, class Slice>
class Converted {
 public:
  template <class Operand>
  __device__ void load(Operand& operand) {
    if (operand.vectors()) {
#pragma unroll
      for (int i = 0; i < Vectors::count; ++i) {
        if (!Vectors::has(i)) break;
        const float* from = operand.template address<Vectors>(i);
        const auto v = from != nullptr ? simt::ld<float4>(from) : make_float4(0, 0, 0, 0);
        values_[4 * i] = v.x, values_[4 * i + 1] = v.y;
        values_[4 * i + 2] = v.z, values_[4 * i + 3] = v.w;
        operand.next_vector();
      }
    } else {
#pragma unroll
      for (int i = 0; i < Scalars::count; ++i) {
        if (!Scalars::has(i)) break;
        const float* from = operand.template address<Scalars>(i);
        values_[i] = from != nullptr ? *from : 0.0f;
        operand.next_vector();
      }
    }
    operand.next_step();
  }

  /// Normalises what was loaded of `a`.
  template <class Operand>
  __device__ void normalise(const Operand& a) {
    if (a.vectors()) {
      normalise_vectors<Vectors, 4>(a);
    } else {
      normalise_vectors<Scalars, 1>(a);
    }
  }

  /// Evaluates what was loaded of `b`, `y` holding what was loaded beside it.
  template <class Operand>
  __device__ void evaluate(Operand& b, const Converted& y) {
    if (b.vectors()) {
      evaluate_vectors<Vectors, 4>(b, y);
    } else {
      evaluate_vectors<Scalars, 1>(b, y);
    }
  }

  /// Rounds to nearest even. A vector of four is one 8-byte store.
  __device__ void store(bool vectors, __nv_bfloat16* slice) const {
    if (vectors) {
#pragma unroll
      for (int i = 0; i < Vectors::count; ++i) {
        if (!Vectors::has(i)) break;
        simt::st(slice + Slice::at(Vectors::outer(i), Vectors::depth(i)),
                 make_uint2(bf16_pair(values_[4 * i], values_[4 * i + 1]),
                            bf16_pair(values_[4 * i + 2], values_[4 * i + 3])));
      }
    } else {
#pragma unroll
      for (int i = 0; i < Scalars::count; ++i) {
        if (!Scalars::has(i)) break;
        slice[Slice::at(Scalars::outer(i), Scalars::depth(i))] = __float2bfloat16_rn(values_[i]);
      }
    }
  }

 private:
  using Vectors = Share<Slice, 4, threads>;
  using Scalars = Share<Slice, 1, threads>;

  template <class Share, int width, class Operand>
  __device__ void normalise_vectors(const Operand& a) {
    const auto norm = a.template norm<width>();
#pragma unroll
    for (int i = 0; i < Share::count; ++i) {
      if (!Share::has(i)) break;
      if (a.has(i)) set(i, norm(at<width>(i)));
    }
  }

  template <class Share, int width, class Operand>
  __device__ void evaluate_vectors(Operand& b, const Converted& y) {
    const auto factors = b.template factors<Share, width>();
#pragma unroll
    for (int i = 0; i < Share::count; ++i) {
      if (!Share::has(i)) break;
      const std::int64_t offset = b.template offset_of_evaluated<Share>(i);
      if (offset < 0) continue;
      const Floats<width> dy = factors(at<width>(i), y.template at<width>(i));
      set(i, dy);
      b.keep(offset, dy);
    }
    b.next_evaluated();
  }

  template <int width>
  __device__ Floats<width> at(int i) const {
    Floats<width> v;
#pragma unroll
    for (int j = 0; j < width; ++j) v.v[j] = values_[width * i + j];
    return v;
  }
  template <int width>
  __device__ void set(int i, const Floats<width>& v) {
#pragma unroll
    for (int j = 0; j < width; ++j) values_[width * i + j] = v.v[j];
  }

  static constexpr int most =
      4 * Vectors::count > Scalars::count ? 4 * Vectors::count : Scalars::count;
  float values_[most];
};

/// Adds the products of `steps` steps of a and b, copied without registers.
///
/// A norm of a is worked in shared memory: each thread rewrites the vectors that it copied, before
/// the barrier that shows them to the others. That is a read and a write of 16 bytes more a vector,
/// 8 a step beside the 64 reads of the widest tile's products. Through registers, as in
/// multiply_converted, it would be none, but a thread's step of a is then 16 registers that live as
/// long as the products, which that tile hasn't got. A deferred b is evaluated there in the same
/// way.
template <class Layout, int threads, class A, class B>
__device__ void multiply_pipelined(typename Layout::Product& product, A& a, B& b,
                                   std::int64_t steps, float* memory) {
  const auto beside = [&](std::int64_t step) {
    return memory + Layout::stages * Layout::stage + (step & 1) * Layout::beside;
  };
  const auto start = [&](std::int64_t step, int stage) {
    float* to = memory + stage * Layout::stage;
    if constexpr (is_normalised<A>) a.arrive();
    if (step < steps) {
      copy<threads, typename Layout::SliceA>(a, to);
      if constexpr (is_deferred<B>) {
        auto y = b.beside();
        copy<threads, typename Layout::SliceB>(y, beside(step));
      }
      copy<threads, typename Layout::SliceB>(b, to + Layout::SliceA::size);
    }
    simt::cp_async_commit();  // a group each step, empty at the end, so that waits are uniform
  };
  constexpr int ahead = Layout::stages - 1;
#pragma unroll 1
  for (int step = 0; step < ahead; ++step) start(step, step);
  int read = 0, fill = ahead;
  for (std::int64_t step = 0; step < steps; ++step) {
    simt::cp_async_wait<ahead - 1>();
    if constexpr (is_normalised<A>) {
      normalise<threads, typename Layout::SliceA>(a, memory + read * Layout::stage);
    }
    if constexpr (is_deferred<B>) {
      evaluate<threads, typename Layout::SliceB>(
          b, memory + read * Layout::stage + Layout::SliceA::size, beside(step));
    }
    __syncthreads();  // this step has arrived, and all have read the stage that is filled next
    start(step + ahead, fill);
    const float* from = memory + read * Layout::stage;
    product.multiply(from, from + Layout::SliceA::size);
    fill = read;
    read = read + 1 == Layout::stages ? 0 : read + 1;
  }
  simt::cp_async_wait<0>();
}

/// Adds the products of `steps` steps of a and b, converted to bf16 on the way.
template <class Layout, int threads, class A, class B>
__device__ void multiply_converted(typename Layout::Product& product, A& a, B& b,
                                   std::int64_t steps, __nv_bfloat16* memory) {
  Converted<threads, typename Layout::SliceA> next_a;
  Converted<threads, typename Layout::SliceB> next_b, beside_b;
  const auto load = [&] {
    next_a.load(a);
    if constexpr (is_deferred<B>) {
      auto y = b.beside();
      beside_b.load(y);
    }
    next_b.load(b);
  };
  const auto store = [&](int stage) {
    if constexpr (is_normalised<A>) {
      a.arrive();
      next_a.normalise(a);
    }
    if constexpr (is_deferred<B>) next_b.evaluate(b, beside_b);
    next_a.store(a.vectors(), memory + stage * Layout::stage);
    next_b.store(b.vectors(), memory + stage * Layout::stage + Layout::SliceA::size);
  };
  if (steps > 0) {
    load();
    store(0);
  }
  int read = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    __syncthreads();  // this step has arrived, and all have read the stage that is filled next
    if (step + 1 < steps) load();
    const __nv_bfloat16* from = memory + read * Layout::stage;
    product.multiply(from, from + Layout::SliceA::size);
    read = 1 - read;
    if (step + 1 < steps) store(read);
  }
}

/// The sums of the products of `steps` steps of a and b. `memory` is shared and holds
/// Layout::vectors. Ends with a barrier, after which it may be used anew.
template <class Layout, class Tile, class A, class B>
__device__ typename Layout::Product multiply(A a, B b, std::int64_t steps, float4* memory) {
  typename Layout::Product product;
  auto* stages = reinterpret_cast<typename Layout::Element*>(memory);
  if constexpr (Layout::asynchronous) {
    multiply_pipelined<Layout, Tile::threads>(product, a, b, steps, stages);
  } else {
    multiply_converted<Layout, Tile::threads>(product, a, b, steps, stages);
  }
  __syncthreads();
  return product;
}

}  // namespace trifold::kernels::cuda
