/// Bound by memory: forward reads each element of x once (from the caches where taps overlap) and
/// writes y once; backward gathers dy likewise and writes dx once. Weights come from whole numbers
/// in registers, so there are no tables to read and nothing to copy from the host.
#include "kernels/backends.h"
#include "kernels/cuda/image_rows.cuh"

namespace trifold::kernels::cuda {
namespace {

/// One dimension of a resize, in units of 1 / (2 dst) of a source pixel, where all positions are
/// whole: source pixel j is at 2 dst j and output i samples at (2 i + 1) src - dst. The triangle
/// reaches 2 reach either way: a source pixel, or an output pixel where antialias is shrinking.
/// Integer is 64 bits wide where 32 don't hold these numbers.
template <class Integer>
struct Axis {
  Integer src, dst, reach;
  bool plain;

  Axis(std::int64_t from, std::int64_t to, ResizeFilter filter)
      : src(static_cast<Integer>(from)),
        dst(static_cast<Integer>(to)),
        reach(filter == ResizeFilter::plain || from < to ? dst : src),
        plain(filter == ResizeFilter::plain) {}

  /// The taps of an output: sources first to last, with the sum of their weights.
  struct Taps {
    Integer position;
    int first, last;
    float total;
  };

  __device__ Integer position(int output) const {
    const Integer at = (2 * Integer{output} + 1) * src - dst;
    return plain ? max(Integer{0}, min(at, 2 * dst * (src - 1))) : at;
  }

  __device__ Integer weight(Integer position, int source) const {
    const Integer away = 2 * dst * source - position;
    return max(Integer{0}, 2 * reach - (away < 0 ? -away : away));
  }

  __device__ Taps taps(int output) const {
    const Integer at = position(output), low = at - 2 * reach, high = at + 2 * reach;
    Taps t{at, low < 0 ? 0 : static_cast<int>(low / (2 * dst)) + 1,
           static_cast<int>(min((high - 1) / (2 * dst), src - 1)), 0};
    Integer total = 0;
    for (int j = t.first; j <= t.last; ++j) total += weight(at, j);
    t.total = static_cast<float>(total);
    return t;
  }

  /// Outputs that may have a source among their taps; those that don't give it the weight 0.
  struct Range {
    int first, last;
  };
  __device__ Range outputs_of(int source) const {
    const Integer centre = 2 * dst * source + dst - src, low = centre - 2 * reach;
    const Integer high = max(centre + 2 * reach, Integer{0});
    return {low < 0 ? 0 : static_cast<int>(low / (2 * src)),
            static_cast<int>(min(high / (2 * src), dst - 1))};
  }
};

/// First over a row's taps, then over the rows.
template <class Integer>
struct ResizeForward {
  Axis<Integer> down, across;
  int c;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int channel) const {
    const int dst_h = static_cast<int>(down.dst), src_h = static_cast<int>(down.src);
    const int dst_w = static_cast<int>(across.dst), src_w = static_cast<int>(across.src);
    const std::int64_t image = row / dst_h;
    const auto rows = down.taps(static_cast<int>(row % dst_h));
    const auto cols = across.taps(j);
    Floats<V> sum = splat<V>(0);
    for (int a = rows.first; a <= rows.last; ++a) {
      const float* from = x + (image * src_h + a) * src_w * c + channel;
      Floats<V> mixed = splat<V>(0);
      for (int b = cols.first; b <= cols.last; ++b) {
        const float weight = static_cast<float>(across.weight(cols.position, b)) / cols.total;
        const Floats<V> value = load<V>(from + std::int64_t{b} * c);
        for (int v = 0; v < V; ++v) mixed.v[v] += weight * value.v[v];
      }
      const float weight = static_cast<float>(down.weight(rows.position, a)) / rows.total;
      for (int v = 0; v < V; ++v) sum.v[v] += weight * mixed.v[v];
    }
    store(y + (row * dst_w + j) * c + channel, sum);
  }
};

template <class Integer>
struct ResizeBackward {
  Axis<Integer> down, across;
  int c;
  const float* dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int b, int channel) const {
    const int dst_h = static_cast<int>(down.dst), src_h = static_cast<int>(down.src);
    const int dst_w = static_cast<int>(across.dst), src_w = static_cast<int>(across.src);
    const std::int64_t image = row / src_h;
    const int a = static_cast<int>(row % src_h);
    const auto rows = down.outputs_of(a);
    const auto cols = across.outputs_of(b);
    Floats<V> sum = splat<V>(0);
    for (int i = rows.first; i <= rows.last; ++i) {
      const auto row_taps = down.taps(i);
      const float on_row = static_cast<float>(down.weight(row_taps.position, a)) / row_taps.total;
      if (on_row == 0) continue;
      const float* from = dy + (image * dst_h + i) * dst_w * c + channel;
      Floats<V> mixed = splat<V>(0);
      for (int j = cols.first; j <= cols.last; ++j) {
        const auto taps = across.taps(j);
        const float weight = static_cast<float>(across.weight(taps.position, b)) / taps.total;
        const Floats<V> value = load<V>(from + std::int64_t{j} * c);
        for (int v = 0; v < V; ++v) mixed.v[v] += weight * value.v[v];
      }
      for (int v = 0; v < V; ++v) sum.v[v] += on_row * mixed.v[v];
    }
    store(dx + (row * src_w + b) * c + channel, sum);
  }
};

/// Calls body(Integer()) with the narrowest whole number that holds the positions.
template <class Body>
void with_integer(const ResizeShape& s, const Body& body) {
  constexpr std::int64_t narrow = std::int64_t{1} << 13;  // 4 (2 extent)^2 stays below 2^31
  if (std::max({s.src_h, s.src_w, s.dst_h, s.dst_w}) <= narrow) return body(int{});
  body(std::int64_t{});
}

}  // namespace

void resize_forward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* x,
                    float* y) {
  check(s);
  with_integer(s, [&](auto integer) {
    using Integer = decltype(integer);
    image_rows(ex, "resize_forward", s.n * s.dst_h, s.dst_w, s.c, s.c % 4 == 0 && aligned({x, y}),
               ResizeForward<Integer>{Axis<Integer>(s.src_h, s.dst_h, filter),
                                      Axis<Integer>(s.src_w, s.dst_w, filter), to_int(s.c), x, y});
  });
}

void resize_backward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* dy,
                     float* dx) {
  check(s);
  with_integer(s, [&](auto integer) {
    using Integer = decltype(integer);
    image_rows(
        ex, "resize_backward", s.n * s.src_h, s.src_w, s.c, s.c % 4 == 0 && aligned({dy, dx}),
        ResizeBackward<Integer>{Axis<Integer>(s.src_h, s.dst_h, filter),
                                Axis<Integer>(s.src_w, s.dst_w, filter), to_int(s.c), dy, dx});
  });
}

}  // namespace trifold::kernels::cuda
