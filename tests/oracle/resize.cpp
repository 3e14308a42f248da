#include "tests/oracle/resize.h"

#include <algorithm>
#include <cmath>

namespace oracle {

std::vector<std::vector<double>> resize_matrix(std::int64_t src, std::int64_t dst, bool antialias) {
  std::vector<std::vector<double>> a(static_cast<std::size_t>(dst),
                                     std::vector<double>(static_cast<std::size_t>(src)));
  const double factor = static_cast<double>(src) / static_cast<double>(dst);
  for (std::size_t i = 0; i < a.size(); ++i) {
    double s = (static_cast<double>(i) + 0.5) * factor - 0.5;
    double width = std::fmax(factor, 1);
    if (!antialias) {
      // Two taps at a clamped place are a triangle of half width 1 there.
      s = std::fmin(std::fmax(s, 0), static_cast<double>(src - 1));
      width = 1;
    }
    double sum = 0;
    for (std::size_t j = 0; j < a[i].size(); ++j) {
      a[i][j] = std::fmax(0, 1 - std::fabs(static_cast<double>(j) - s) / width);
      sum += a[i][j];
    }
    for (double& v : a[i]) v /= sum;
  }
  return a;
}

namespace {

/// Calls f(index into y, index into x, weight) for every pair.
template <class F>
void for_pairs(const Resize& r, const F& f) {
  const auto rows = resize_matrix(r.src_h, r.dst_h, r.antialias);
  const auto cols = resize_matrix(r.src_w, r.dst_w, r.antialias);
  const auto at = [](std::int64_t v) { return static_cast<std::size_t>(v); };
  for (std::int64_t image = 0; image < r.n; ++image) {
    for (std::int64_t p = 0; p < r.dst_h; ++p) {
      for (std::int64_t i = 0; i < r.src_h; ++i) {
        if (rows[at(p)][at(i)] == 0) continue;
        for (std::int64_t q = 0; q < r.dst_w; ++q) {
          for (std::int64_t j = 0; j < r.src_w; ++j) {
            const double weight = rows[at(p)][at(i)] * cols[at(q)][at(j)];
            if (weight == 0) continue;
            for (std::int64_t c = 0; c < r.c; ++c) {
              f(at(((image * r.dst_h + p) * r.dst_w + q) * r.c + c),
                at(((image * r.src_h + i) * r.src_w + j) * r.c + c), weight);
            }
          }
        }
      }
    }
  }
}

}  // namespace

std::vector<double> resize_forward(const Resize& r, const std::vector<double>& x) {
  std::vector<double> y(static_cast<std::size_t>(r.n * r.dst_h * r.dst_w * r.c));
  for_pairs(r, [&](std::size_t out, std::size_t in, double weight) { y[out] += weight * x[in]; });
  return y;
}

std::vector<double> resize_backward(const Resize& r, const std::vector<double>& dy) {
  std::vector<double> dx(static_cast<std::size_t>(r.n * r.src_h * r.src_w * r.c));
  for_pairs(r, [&](std::size_t out, std::size_t in, double weight) { dx[in] += weight * dy[out]; });
  return dx;
}

}  // namespace oracle
