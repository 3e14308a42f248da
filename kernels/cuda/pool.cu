/// Bound by memory: forward reads each element of x once (from the caches where windows overlap)
/// and writes y, argmax once; backward gathers, reading dy (and argmax) once and writing dx once.
#include "kernels/cuda/image_rows.cuh"
#include "kernels/cuda/image_sums.cuh"
#include "kernels/cuda/window_axis.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Pool {
  Axis down, across;
  int c;

  explicit Pool(const PoolShape& s)
      : down{to_int(s.h), to_int(s.p()), to_int(s.r), to_int(s.stride_h), to_int(s.pad_h)},
        across{to_int(s.w), to_int(s.q()), to_int(s.s), to_int(s.stride_w), to_int(s.pad_w)},
        c(to_int(s.c)) {
    to_int(s.h * s.w);  // argmax counts an image's pixels in 32 bits
  }

  /// Offset of channel c of pixel (i, j) of an image of x, dx.
  __device__ std::int64_t input(std::int64_t image, int i, int j, int channel) const {
    return ((image * down.size + i) * across.size + j) * c + channel;
  }
  __device__ std::int64_t output(std::int64_t image, int i, int j, int channel) const {
    return ((image * down.outputs + i) * across.outputs + j) * c + channel;
  }

  /// A pixel in row `row` of a batch, and the pixels on the other side of the pool that it belongs
  /// to: those of an output's window, or the outputs whose windows cover an input.
  struct Place {
    std::int64_t image;
    int i;
    Axis::Span rows, cols;
  };
  __device__ Place window_at(std::int64_t row, int j) const {
    const int i = static_cast<int>(row % down.outputs);
    return {row / down.outputs, i, down.pixels_of(i), across.pixels_of(j)};
  }
  __device__ Place pixel_at(std::int64_t row, int j) const {
    const int i = static_cast<int>(row % down.size);
    return {row / down.size, i, down.windows_of(i), across.windows_of(j)};
  }

  /// The sum of value(a, b) over the pixels of a place, divided by the size of a window.
  template <int V, class Value>
  __device__ Floats<V> share(const Place& at, const Value& value) const {
    Floats<V> sum = splat<V>(0);
    for (int a = at.rows.begin; a < at.rows.end; ++a) {
      for (int b = at.cols.begin; b < at.cols.end; ++b) add_to(sum, value(a, b));
    }
    const float area = static_cast<float>(down.window * across.window);
    for (int v = 0; v < V; ++v) sum.v[v] /= area;
    return sum;
  }
};

struct MaxPoolForward {
  Pool pool;
  const float* x;
  float* y;
  std::int32_t* argmax;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const auto [image, i, rows, cols] = pool.window_at(row, j);
    Floats<V> best = load<V>(x + pool.input(image, rows.begin, cols.begin, c));
    int where[V];
    for (int v = 0; v < V; ++v) where[v] = rows.begin * pool.across.size + cols.begin;
    for (int a = rows.begin; a < rows.end; ++a) {
      for (int b = cols.begin; b < cols.end; ++b) {
        const Floats<V> candidate = load<V>(x + pool.input(image, a, b, c));
        for (int v = 0; v < V; ++v) {
          // "Not less or equal" lets a NaN win, and a NaN that leads is never replaced.
          if (candidate.v[v] <= best.v[v] || best.v[v] != best.v[v]) continue;
          best.v[v] = candidate.v[v];
          where[v] = a * pool.across.size + b;
        }
      }
    }
    const std::int64_t to = pool.output(image, i, j, c);
    store(y + to, best);
    if (argmax == nullptr) return;
    if constexpr (V == 4) {
      simt::st(argmax + to, make_int4(where[0], where[1], where[2], where[3]));
    } else {
      argmax[to] = where[0];
    }
  }
};

struct MaxPoolBackward {
  Pool pool;
  const float* dy;
  const std::int32_t* argmax;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const auto [image, i, rows, cols] = pool.pixel_at(row, j);
    const int own = i * pool.across.size + j;
    Floats<V> sum = splat<V>(0);
    for (int a = rows.begin; a < rows.end; ++a) {
      for (int b = cols.begin; b < cols.end; ++b) {
        const std::int64_t from = pool.output(image, a, b, c);
        const Floats<V> g = load<V>(dy + from);
        int where[V];
        if constexpr (V == 4) {
          const int4 w = simt::ld<int4>(argmax + from);
          where[0] = w.x, where[1] = w.y, where[2] = w.z, where[3] = w.w;
        } else {
          where[0] = argmax[from];
        }
        for (int v = 0; v < V; ++v) sum.v[v] += where[v] == own ? g.v[v] : 0;
      }
    }
    store(dx + pool.input(image, i, j, c), sum);
  }
};

struct AvgPoolForward {
  Pool pool;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const Pool::Place at = pool.window_at(row, j);
    store(y + pool.output(at.image, at.i, j, c), pool.share<V>(at, [&](int a, int b) {
      return load<V>(x + pool.input(at.image, a, b, c));
    }));
  }
};

struct AvgPoolBackward {
  Pool pool;
  const float* dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const Pool::Place at = pool.pixel_at(row, j);
    store(dx + pool.input(at.image, at.i, j, c), pool.share<V>(at, [&](int a, int b) {
      return load<V>(dy + pool.output(at.image, a, b, c));
    }));
  }
};

/// A thread is one element of dx, V channels wide; a "row" is an image.
struct GlobalAvgPoolBackward {
  float pixels;
  std::int64_t image_size;
  int channels;
  const float* dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t image, int pixel, int c) const {
    Floats<V> share = load<V>(dy + image * channels + c);
    for (int v = 0; v < V; ++v) share.v[v] /= pixels;
    store(dx + image * image_size + static_cast<std::int64_t>(pixel) * channels + c, share);
  }
};

struct GlobalAvgPoolForward {
  float pixels;
  const float* x;
  float* y;

  template <int V>
  __device__ void add(Floats<V>& sum, std::int64_t at) const {
    add_to(sum, load<V>(x + at));
  }
  __device__ void write(std::int64_t at, float sum) const { y[at] = sum / pixels; }
};

}  // namespace

void max_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y,
                      std::int32_t* argmax) {
  check(s);
  image_rows(ex, "max_pool_forward", s.n * s.p(), s.q(), s.c,
             s.c % 4 == 0 && aligned({x, y, argmax}), MaxPoolForward{Pool(s), x, y, argmax});
}

void max_pool_backward(const Exec& ex, const PoolShape& s, const float* dy,
                       const std::int32_t* argmax, float* dx) {
  check(s);
  image_rows(ex, "max_pool_backward", s.n * s.h, s.w, s.c,
             s.c % 4 == 0 && aligned({dy, argmax, dx}), MaxPoolBackward{Pool(s), dy, argmax, dx});
}

void avg_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y) {
  check(s);
  image_rows(ex, "avg_pool_forward", s.n * s.p(), s.q(), s.c, s.c % 4 == 0 && aligned({x, y}),
             AvgPoolForward{Pool(s), x, y});
}

void avg_pool_backward(const Exec& ex, const PoolShape& s, const float* dy, float* dx) {
  check(s);
  image_rows(ex, "avg_pool_backward", s.n * s.h, s.w, s.c, s.c % 4 == 0 && aligned({dy, dx}),
             AvgPoolBackward{Pool(s), dy, dx});
}

void global_avg_pool_forward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                             const float* x, float* y) {
  check_global_pool(n, pixels, c);
  image_sums(ex, "global_avg_pool_forward", n, pixels, c, c % 4 == 0 && aligned({x}),
             GlobalAvgPoolForward{static_cast<float>(pixels), x, y});
}

void global_avg_pool_backward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                              const float* dy, float* dx) {
  check_global_pool(n, pixels, c);
  image_rows(ex, "global_avg_pool_backward", n, pixels, c, c % 4 == 0 && aligned({dy, dx}),
             GlobalAvgPoolBackward{static_cast<float>(pixels), pixels * c, to_int(c), dy, dx});
}

}  // namespace trifold::kernels::cuda
