#include "tests/oracle/pool.h"

#include <cmath>

namespace oracle {
namespace {

/// Calls f(output element, input element, pixel within the image) for every pair that a window
/// joins, window by window in the order of the output, its pixels in row order.
template <class F>
std::size_t for_pairs(const Pool& a, const F& f) {
  std::size_t out = 0;
  for (std::int64_t image = 0; image < a.n; ++image) {
    for (std::int64_t top = -a.pad_h; top + a.r <= a.h + a.pad_h; top += a.stride_h) {
      for (std::int64_t left = -a.pad_w; left + a.s <= a.w + a.pad_w; left += a.stride_w) {
        for (std::int64_t c = 0; c < a.c; ++c, ++out) {
          for (std::int64_t i = top; i < top + a.r; ++i) {
            for (std::int64_t j = left; j < left + a.s; ++j) {
              if (i < 0 || i >= a.h || j < 0 || j >= a.w) continue;
              f(out, static_cast<std::size_t>(((image * a.h + i) * a.w + j) * a.c + c),
                i * a.w + j);
            }
          }
        }
      }
    }
  }
  return out;
}

std::size_t outputs(const Pool& a) {
  return for_pairs(a, [](std::size_t, std::size_t, std::int64_t) {});
}

std::size_t inputs(const Pool& a) { return static_cast<std::size_t>(a.n * a.h * a.w * a.c); }

}  // namespace

MaxPool max_pool_forward(const Pool& pool, const std::vector<double>& x) {
  MaxPool result;
  result.y.assign(outputs(pool), -INFINITY);
  result.argmax.assign(result.y.size(), -1);
  for_pairs(pool, [&](std::size_t out, std::size_t in, std::int64_t pixel) {
    double& best = result.y[out];
    const bool first = result.argmax[out] < 0;
    if (first || (!std::isnan(best) && (x[in] > best || std::isnan(x[in])))) {
      best = x[in];
      result.argmax[out] = pixel;
    }
  });
  return result;
}

std::vector<double> max_pool_backward(const Pool& pool, const std::vector<double>& dy,
                                      const std::vector<std::int64_t>& argmax) {
  std::vector<double> dx(inputs(pool));
  for_pairs(pool, [&](std::size_t out, std::size_t in, std::int64_t pixel) {
    if (argmax[out] == pixel) dx[in] += dy[out];
  });
  return dx;
}

std::vector<double> avg_pool_forward(const Pool& pool, const std::vector<double>& x) {
  std::vector<double> y(outputs(pool));
  for_pairs(pool, [&](std::size_t out, std::size_t in, std::int64_t) {
    y[out] += x[in] / static_cast<double>(pool.r * pool.s);
  });
  return y;
}

std::vector<double> avg_pool_backward(const Pool& pool, const std::vector<double>& dy) {
  std::vector<double> dx(inputs(pool));
  for_pairs(pool, [&](std::size_t out, std::size_t in, std::int64_t) {
    dx[in] += dy[out] / static_cast<double>(pool.r * pool.s);
  });
  return dx;
}

}  // namespace oracle
