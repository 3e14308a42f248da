/// The loop of a block over the depth of its tile, and the way of the result back to memory.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/conv2d_fma.cuh"
#include "kernels/cuda/conv2d_mma.cuh"
#include "kernels/cuda/conv2d_operands.cuh"
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

  static constexpr int tile_pitch = Tile::columns + 8;  ///< pairs of 4 columns by 8 rows: all banks
  static constexpr int loop_bytes = stages * stage * sizeof(Element);
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

  /// Rounds to nearest even. A vector of four is one 8-byte store.
  __device__ void store(bool vectors, __nv_bfloat16* slice) const {
    if (vectors) {
#pragma unroll
      for (int i = 0; i < Vectors::count; ++i) {
        if (!Vectors::has(i)) break;
        simt::st(slice + Slice::at(Vectors::outer(i), Vectors::depth(i)),
                 make_uint2(pair(values_[4 * i], values_[4 * i + 1]),
                            pair(values_[4 * i + 2], values_[4 * i + 3])));
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

  static __device__ std::uint32_t pair(float low, float high) {
    const auto bits = [](float v) {
      return static_cast<std::uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(v)));
    };
    return bits(low) | bits(high) << 16;
  }

  static constexpr int most =
      4 * Vectors::count > Scalars::count ? 4 * Vectors::count : Scalars::count;
  float values_[most];
};

/// Adds the products of `steps` steps of a and b, copied without registers.
template <class Layout, int threads, class A, class B>
__device__ void multiply_ahead(typename Layout::Product& product, A& a, B& b, std::int64_t steps,
                               float* memory) {
  const auto start = [&](std::int64_t step, int stage) {
    float* to = memory + stage * Layout::stage;
    if (step < steps) {
      copy<threads, typename Layout::SliceA>(a, to);
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
  Converted<threads, typename Layout::SliceB> next_b;
  const auto load = [&] {
    next_a.load(a);
    next_b.load(b);
  };
  const auto store = [&](int stage) {
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
    multiply_ahead<Layout, Tile::threads>(product, a, b, steps, stages);
  } else {
    multiply_converted<Layout, Tile::threads>(product, a, b, steps, stages);
  }
  __syncthreads();
  return product;
}

/// Where a tile of C goes, and what happens to it on the way: c = act(sums + bias + added).
struct Target {
  float* c;
  std::int64_t first_column;
  int columns;
  bool vectors;                  ///< rows of c and of added are read and written as 16-byte vectors
  const float* bias = nullptr;   ///< one a column, or null
  const float* added = nullptr;  ///< as c, or null; may be c itself
  bool relu = false;
};

/// NaN stays NaN.
__device__ inline float finish(float value, bool relu) { return relu && value < 0 ? 0 : value; }

/// Writes a tile in shared memory to C, `width` columns a thread and whole rows a warp. offset(row)
/// is the place of a tile's row in C, negative for none.
template <class Tile, int width, class Offset>
__device__ void write_rows(const float* tile, int pitch, const Target& to, const Offset& offset) {
  constexpr int line = Tile::columns / width;
  const int across = static_cast<int>(threadIdx.x) % line * width;
  const std::int64_t column = to.first_column + across;
  if (column >= to.columns) return;
  float bias[width] = {};
  if (to.bias != nullptr)
    for (int i = 0; i < width; ++i) bias[i] = to.bias[column + i];
  for (int row = static_cast<int>(threadIdx.x) / line; row < Tile::rows;
       row += Tile::threads / line) {
    const std::int64_t first = offset(row);
    if (first < 0) continue;
    const std::int64_t at = first + column;
    const float* sums = tile + row * pitch + across;
    if constexpr (width == 4) {
      // Indices of vectors, which show the compiler that the addresses are aligned.
      auto v = simt::ld<float4>(sums);
      v.x += bias[0], v.y += bias[1], v.z += bias[2], v.w += bias[3];
      if (to.added != nullptr) {
        const auto a = simt::ld<float4>(reinterpret_cast<const float4*>(to.added) + at / 4);
        v.x += a.x, v.y += a.y, v.z += a.z, v.w += a.w;
      }
      simt::st(reinterpret_cast<float4*>(to.c) + at / 4,
               make_float4(finish(v.x, to.relu), finish(v.y, to.relu), finish(v.z, to.relu),
                           finish(v.w, to.relu)));
    } else {
      float v = *sums + bias[0];
      if (to.added != nullptr) v += to.added[at];
      to.c[at] = finish(v, to.relu);
    }
  }
}

/// Writes a block's product to C through shared memory, so that writes are vectors along the rows
/// of C whatever order the sums are held in.
template <class Layout, class Tile, class Offset>
__device__ void write_tile(const typename Layout::Product& product, float4* memory,
                           const Target& to, const Offset& offset) {
  auto* tile = reinterpret_cast<float*>(memory);
  product.store(tile, Layout::tile_pitch);
  __syncthreads();
  if (to.vectors) {
    write_rows<Tile, 4>(tile, Layout::tile_pitch, to, offset);
  } else {
    write_rows<Tile, 1>(tile, Layout::tile_pitch, to, offset);
  }
}

}  // namespace trifold::kernels::cuda
