/// Bound by memory: forward reads each element of x once (from the caches where taps overlap) and
/// writes y once; backward gathers dy likewise and writes dx once. Weights come from whole numbers
/// in registers, so there are no tables to read and nothing to copy from the host.
#include "kernels/cuda/image_rows.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct Range {
  int first, last;
};

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
  struct Taps : Range {
    Integer position;
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
    Taps t{{low < 0 ? 0 : static_cast<int>(low / (2 * dst)) + 1,
            static_cast<int>(min((high - 1) / (2 * dst), src - 1))},
           at,
           0};
    Integer total = 0;
    for (int j = t.first; j <= t.last; ++j) total += weight(at, j);
    t.total = static_cast<float>(total);
    return t;
  }

  /// What a source adds to an output.
  __device__ float share(const Taps& taps, int source) const {
    return static_cast<float>(weight(taps.position, source)) / taps.total;
  }

  /// Outputs that may have a source among their taps; those that don't give it the share 0.
  __device__ Range outputs_of(int source) const {
    const Integer centre = 2 * dst * source + dst - src, low = centre - 2 * reach;
    const Integer high = max(centre + 2 * reach, Integer{0});
    return {low < 0 ? 0 : static_cast<int>(low / (2 * src)),
            static_cast<int>(min(high / (2 * src), dst - 1))};
  }
};

/// The sum of share(i) value(i) over a range.
template <int V, class Share, class Value>
__device__ Floats<V> mix(const Range& range, const Share& share, const Value& value) {
  Floats<V> sum = splat<V>(0);
  for (int i = range.first; i <= range.last; ++i) {
    const float factor = share(i);
    if (factor != 0) add_product(sum, factor, value(i));
  }
  return sum;
}

template <class Integer>
struct Resize {
  Axis<Integer> down, across;
  int c;

  Resize(const ResizeShape& s, ResizeFilter filter)
      : down(s.src_h, s.dst_h, filter), across(s.src_w, s.dst_w, filter), c(to_int(s.c)) {}
};

/// First over a row's taps, then over the rows.
template <class Integer>
struct ResizeForward {
  Resize<Integer> resize;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int channel) const {
    const auto &down = resize.down, &across = resize.across;
    const int c = resize.c;
    const auto rows = down.taps(static_cast<int>(row % down.dst));
    const auto cols = across.taps(j);
    const float* image = x + row / down.dst * down.src * across.src * c + channel;
    const auto mixed = [&](int a) {
      return mix<V>(
          cols, [&](int b) { return across.share(cols, b); },
          [&](int b) { return load<V>(image + (std::int64_t{a} * across.src + b) * c); });
    };
    store(y + (row * across.dst + j) * c + channel,
          mix<V>(
              rows, [&](int a) { return down.share(rows, a); }, mixed));
  }
};

template <class Integer>
struct ResizeBackward {
  Resize<Integer> resize;
  const float* dy;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int b, int channel) const {
    const auto &down = resize.down, &across = resize.across;
    const int c = resize.c;
    const int a = static_cast<int>(row % down.src);
    const Range rows = down.outputs_of(a), cols = across.outputs_of(b);
    const float* image = dy + row / down.src * down.dst * across.dst * c + channel;
    const auto mixed = [&](int i) {
      return mix<V>(
          cols, [&](int j) { return across.share(across.taps(j), b); },
          [&](int j) { return load<V>(image + (std::int64_t{i} * across.dst + j) * c); });
    };
    store(dx + (row * across.src + b) * c + channel,
          mix<V>(
              rows, [&](int i) { return down.share(down.taps(i), a); }, mixed));
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
               ResizeForward<Integer>{Resize<Integer>(s, filter), x, y});
  });
}

void resize_backward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* dy,
                     float* dx) {
  check(s);
  with_integer(s, [&](auto integer) {
    using Integer = decltype(integer);
    image_rows(ex, "resize_backward", s.n * s.src_h, s.src_w, s.c,
               s.c % 4 == 0 && aligned({dy, dx}),
               ResizeBackward<Integer>{Resize<Integer>(s, filter), dy, dx});
  });
}

}  // namespace trifold::kernels::cuda
