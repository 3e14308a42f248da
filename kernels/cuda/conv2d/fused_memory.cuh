/// What the fused backward pass moves between global and shared memory. A thread keeps to four
/// neighbouring channels or filters.
#pragma once

#include <cstdint>

#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/conv2d/fused_tile.cuh"
#include "kernels/cuda/conv2d/norm_operand.cuh"

namespace trifold::kernels::cuda {

/// dy = g where y is null, else the deferred (g + coefficient (y - mean) + constant) scale.
struct FusedGradient {
  const float *g, *y;
  ChannelAffineGradient factors;
  bool vectors;  ///< of four filters can be read at a time
};

/// a = x, or norm(x), or what is stored; x and norm are those of the sums in any case.
struct FusedInput {
  const float *x, *stored;
  Norm norm;  ///< with a pitch of x alone where `normed` is false
  bool normed;
  bool vectors;  ///< of four channels can be read, and g written, at a time
};

/// The factors of a block's filters and channels in shared memory; zero where there are none. Read
/// from global memory a tile at a time, their addresses alone would take 16 registers. Aligned, as
/// shared memory puts an array where its type allows, and these are read four floats at a time.
template <class Tile>
struct alignas(16) FusedFactors {
  float mean[Tile::k], scale[Tile::k], coefficient[Tile::k], constant[Tile::k];
  float input_mean[Tile::c], input_scale[Tile::c], input_shift[Tile::c];

  __device__ AffineGradient<4> gradient(int k) const {
    return {load<4>(mean + k), load<4>(scale + k), load<4>(coefficient + k), load<4>(constant + k)};
  }
  __device__ Affine<4> input(int c) const {
    return {load<4>(input_mean + c), load<4>(input_scale + c), load<4>(input_shift + c)};
  }
};

template <class Tile>
__device__ void load_factors(const Conv2dExtents& e, const FusedGradient& dy,
                             const FusedInput& input, int first_channel, FusedFactors<Tile>& to) {
  const int i = static_cast<int>(threadIdx.x), c = first_channel + i;
  if (dy.y != nullptr && i < Tile::k) {
    const auto read = [&](const float* p) { return i < e.k ? p[i] : 0.0f; };
    to.mean[i] = read(dy.factors.mean);
    to.scale[i] = read(dy.factors.scale);
    to.coefficient[i] = read(dy.factors.coefficient);
    to.constant[i] = read(dy.factors.constant);
  }
  if (input.normed && i < Tile::c) {
    const auto read = [&](const float* p) { return c < e.c ? p[c] : 0.0f; };
    to.input_mean[i] = read(input.norm.factors.mean);
    to.input_scale[i] = read(input.norm.factors.scale);
    to.input_shift[i] = read(input.norm.factors.shift);
  }
}

/// Four neighbouring floats of which `count` are there; the others are zero, and so are all where
/// count is negative.
inline __device__ Floats<4> load_some(const float* p, int count, bool vectors) {
  if (vectors) return count > 0 ? load<4>(p) : splat<4>(0);
  Floats<4> f;
  for (int v = 0; v < 4; ++v) f.v[v] = v < count ? p[v] : 0.0f;
  return f;
}

inline __device__ void store_some(float* array, std::int64_t at, const Floats<4>& f, int count,
                                  bool vectors) {
  if (vectors) return store_at(array, at, f);
  for (int v = 0; v < 4; ++v) {
    if (v < count) array[at + v] = f.v[v];
  }
}

/// The place of a pixel's channel in an array whose pixels lie `pitch` floats apart.
inline __device__ std::int64_t place_of(int pixel, int pitch, int channel) {
  return static_cast<std::int64_t>(pixel) * pitch + static_cast<unsigned>(channel);
}

inline __device__ void store_element(float* to, const Floats<4>& f) { store(to, f); }
/// Rounds to nearest even.
inline __device__ void store_element(__nv_bfloat16* to, const Floats<4>& f) {
  simt::st(to, make_uint2(bf16_pair(f.v[0], f.v[1]), bf16_pair(f.v[2], f.v[3])));
}

/// One square of an image. Those of a batch are counted row by row, image by image.
struct Square {
  int image, row, column;  ///< the last two in pixels

  /// The number of an input's pixel, negative outside.
  __device__ int input_pixel(const Conv2dExtents& e, int pixel) const {
    const int i = row + pixel / square_side, j = column + pixel % square_side;
    return image < e.n && i < e.h && j < e.w ? (image * e.h + i) * e.w + j : -1;
  }

  /// The number of the output pixel at a place of the square's patch, negative outside. The patch
  /// begins with the first output whose last tap reaches the square.
  __device__ int output_pixel(const Conv2dExtents& e, int place) const {
    const int down = place / patch_side, across = place % patch_side;
    const int i = row + down + e.pad_h - (e.r - 1), j = column + across + e.pad_w - (e.s - 1);
    const bool inside = image < e.n && down < square_side + e.r - 1 &&
                        across < square_side + e.s - 1 &&
                        static_cast<unsigned>(i) < static_cast<unsigned>(e.p) &&
                        static_cast<unsigned>(j) < static_cast<unsigned>(e.q);
    return inside ? (image * e.p + i) * e.q + j : -1;
  }
};

inline __device__ Square square_of(const Conv2dExtents& e, int number) {
  const auto squares = [](int extent) { return (extent - 1) / square_side + 1; };
  const int across = squares(e.w), down = squares(e.h), line = number / across;
  return {line / down, line % down * square_side, number % across * square_side};
}

/// Fills the patches of a tile with dy; zero outside the image.
template <class Layout, class Tile>
__device__ void load_patches(const Conv2dExtents& e, const FusedGradient& dy,
                             const FusedFactors<Tile>& factors, const Square* squares,
                             typename Layout::Element* patches) {
  constexpr int vectors = Tile::k / 4, lanes = Tile::threads / vectors, batch = 2;
  constexpr int places = Tile::squares * patch_pixels;
  static_assert(Tile::threads % vectors == 0);
  const int k = static_cast<int>(threadIdx.x) % vectors * 4, count = e.k - k;
  const auto read = [&](const float* array, int pixel) {
    return load_some(array + place_of(pixel, e.k, k), count, dy.vectors);
  };
#pragma unroll 1
  for (int first = line_order(static_cast<int>(threadIdx.x) / vectors, lanes); first < places;
       first += batch * lanes) {
    Floats<4> g[batch], y[batch];
    unsigned inside = 0;
#pragma unroll
    for (int i = 0; i < batch; ++i) {
      const int place = first + i * lanes;
      if (place >= places) continue;
      const int pixel = squares[place / patch_pixels].output_pixel(e, place % patch_pixels);
      if (pixel < 0) continue;
      inside |= 1u << i;
      g[i] = read(dy.g, pixel);
      if (dy.y != nullptr) y[i] = read(dy.y, pixel);
    }
    AffineGradient<4> deferred{};
    if (dy.y != nullptr) deferred = factors.gradient(k);
#pragma unroll
    for (int i = 0; i < batch; ++i) {
      const int place = first + i * lanes;
      if (place >= places) continue;
      Floats<4> value = splat<4>(0);
      if ((inside >> i & 1) != 0) value = dy.y != nullptr ? deferred(g[i], y[i]) : g[i];
      store_element(patches + place * Layout::k_pitch + k, value);
    }
  }
}

/// How the first 256 threads share the input of a tile, and g: one pixel in `lanes`.
template <class Tile>
struct FusedShare {
  static constexpr int threads = 256, vectors = Tile::c / 4, lanes = threads / vectors;
  static constexpr int count = Tile::pixels / lanes;
  static constexpr int batch =
      count < 2 ? count : 2;  ///< that are read before the first is written
  static_assert(threads <= Tile::threads && count % batch == 0 && 4 * count <= 32);

  static __device__ bool takes_part() { return threadIdx.x < threads; }
  static __device__ int channel() { return static_cast<int>(threadIdx.x) % vectors * 4; }
  static __device__ int lane() { return static_cast<int>(threadIdx.x) / vectors; }
  static __device__ int row(int i) { return lane() + i * lanes; }
  /// The number of the pixel in this row of the tile, negative for none.
  static __device__ int pixel(const Conv2dExtents& e, const Square* squares, int i) {
    return squares[row(i) / square_pixels].input_pixel(e, row(i) % square_pixels);
  }
};

/// Fills a tile with a, zero outside the image. Returns the ReLU mask of this thread's share of g,
/// bit 4 i + v being that of the v-th channel of row i: whether the gradient passes.
template <class Layout, class Tile>
__device__ std::uint32_t load_input(const Conv2dExtents& e, const FusedInput& input,
                                    int first_channel, const FusedFactors<Tile>& factors,
                                    const Square* squares, typename Layout::Element* tile) {
  using Share = FusedShare<Tile>;
  const int c = first_channel + Share::channel(), count = e.c - c;
  const auto read = [&](const float* array, int pixel, int pitch) {
    return load_some(array + place_of(pixel, pitch, c), count, input.vectors);
  };
  if (!Share::takes_part()) return 0;
  const bool normalises = input.normed && input.stored == nullptr;
  const bool has_relu = input.normed && input.norm.relu;
  std::uint32_t mask = 0;
#pragma unroll 1
  for (int first = 0; first < Share::count; first += Share::batch) {
    Floats<4> a[Share::batch];
    unsigned inside = 0;
#pragma unroll
    for (int i = 0; i < Share::batch; ++i) {
      a[i] = splat<4>(0);
      const int pixel = Share::pixel(e, squares, first + i);
      if (pixel < 0) continue;
      inside |= 1u << i;
      a[i] = input.stored != nullptr ? read(input.stored, pixel, e.c)
                                     : read(input.x, pixel, input.norm.pitch);
    }
    Affine<4> norm{};
    if (normalises) norm = factors.input(Share::channel());
#pragma unroll
    for (int i = 0; i < Share::batch; ++i) {
      if (normalises && (inside >> i & 1) != 0) {
        a[i] = norm(a[i]);
        if (has_relu) {
          for (float& v : a[i].v) v = relu_of(v);
        }
      }
      for (int v = 0; v < 4; ++v) {
        if (!has_relu || a[i].v[v] > 0) mask |= 1u << (4 * (first + i) + v);
      }
      store_element(tile + Share::row(first + i) * Layout::c_pitch + Share::channel(), a[i]);
    }
  }
  return mask;
}

/// Copies the filters (taps, c, k) of a block's channels; zero where there are none.
template <class Layout, class Tile>
__device__ void load_filters(const Conv2dExtents& e, const float* w, bool vectors,
                             int first_channel, typename Layout::Element* filters) {
  constexpr int across = Tile::k / 4, lanes = Tile::threads / across;
  const int k = static_cast<int>(threadIdx.x) % across * 4, rows = e.r * e.s * Tile::c;
  for (int row = static_cast<int>(threadIdx.x) / across; row < rows; row += lanes) {
    const int tap = row / Tile::c, c = first_channel + row % Tile::c;
    const float* from = w + (static_cast<std::int64_t>(tap) * e.c + c) * e.k + k;
    store_element(filters + row * Layout::k_pitch + k,
                  load_some(from, c < e.c ? e.k - k : 0, vectors));
  }
}

/// The sums of g and of g (x - mean), of each thread's channels over its rows: (lanes, c) in shared
/// memory, for registers are short. Aligned to be read and written four floats at a time.
template <class Tile>
struct alignas(16) FusedSums {
  static constexpr int lanes = FusedShare<Tile>::lanes, size = lanes * Tile::c;
  float first[size], second[size];
};

/// Writes a tile of g, masked and with `added`, which may be g itself, and adds it to the thread's
/// sums. x is still in the caches.
template <class Layout, class Tile>
__device__ void write_gradient(const Conv2dExtents& e, const FusedInput& input, int first_channel,
                               const FusedFactors<Tile>& factors, const Square* squares,
                               const float* tile, std::uint32_t mask, const float* added, float* g,
                               FusedSums<Tile>& sums) {
  using Share = FusedShare<Tile>;
  const int c = first_channel + Share::channel(), count = e.c - c;
  if (count <= 0 || !Share::takes_part()) return;
  const auto read = [&](const float* array, int pixel, int pitch) {
    return load_some(array + place_of(pixel, pitch, c), count, input.vectors);
  };
  constexpr int batch = Share::batch;
  Floats<4> sum = splat<4>(0), sum_x = splat<4>(0);
#pragma unroll 1
  for (int first = 0; first < Share::count; first += batch) {
    Floats<4> gradient[batch], x[batch];
#pragma unroll
    for (int i = 0; i < batch; ++i) {
      const int pixel = Share::pixel(e, squares, first + i);
      if (pixel < 0) continue;
      gradient[i] = load<4>(tile + Share::row(first + i) * Layout::g_pitch + Share::channel());
      if (added != nullptr) add_to(gradient[i], read(added, pixel, e.c));
      if (input.normed) x[i] = read(input.x, pixel, input.norm.pitch);
    }
    Floats<4> mean{};
    if (input.normed) mean = load<4>(factors.input_mean + Share::channel());
#pragma unroll
    for (int i = 0; i < batch; ++i) {
      const int pixel = Share::pixel(e, squares, first + i);
      if (pixel < 0) continue;
      for (int v = 0; v < 4; ++v) {
        float& value = gradient[i].v[v];
        if ((mask >> (4 * (first + i) + v) & 1) == 0) value = 0;
        if (input.normed) {
          sum.v[v] += value;
          sum_x.v[v] = fmaf(value, x[i].v[v] - mean.v[v], sum_x.v[v]);
        }
      }
      store_some(g, place_of(pixel, e.c, c), gradient[i], count, input.vectors);
    }
  }
  if (!input.normed) return;
  const int at = static_cast<int>(threadIdx.x) * 4;
  add_to(sum, load<4>(sums.first + at));
  add_to(sum_x, load<4>(sums.second + at));
  store(sums.first + at, sum);
  store(sums.second + at, sum_x);
}

}  // namespace trifold::kernels::cuda
