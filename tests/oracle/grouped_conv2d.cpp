#include "tests/oracle/grouped_conv2d.h"

#include <cmath>

#include "tests/oracle/sums.h"

namespace oracle {
namespace {

/// Calls body(x index, w index, y index) for every product.
template <class Body>
void for_each_grouped_product(const GroupedCase& t, const Body& body) {
  const std::int64_t own_c = t.c / t.groups, own_k = t.k / t.groups;
  for (std::int64_t n = 0; n < t.n; ++n)
    for (std::int64_t p = 0; p < t.p(); ++p)
      for (std::int64_t q = 0; q < t.q(); ++q)
        for (std::int64_t r = 0; r < t.r; ++r)
          for (std::int64_t s = 0; s < t.s; ++s) {
            const std::int64_t i = p * t.stride_h - t.pad_h + r, j = q * t.stride_w - t.pad_w + s;
            if (i < 0 || i >= t.h || j < 0 || j >= t.w) continue;
            for (std::int64_t k = 0; k < t.k; ++k)
              for (std::int64_t c = 0; c < own_c; ++c)
                body(index(((n * t.h + i) * t.w + j) * t.c + k / own_k * own_c + c),
                     index(((r * t.s + s) * own_c + c) * t.k + k),
                     index(((n * t.p() + p) * t.q() + q) * t.k + k));
          }
}

void add(Sums& sums, std::size_t at, double term) { add(sums, at, term, std::abs(term)); }

}  // namespace

std::int64_t GroupedCase::p() const { return (h + 2 * pad_h - r) / stride_h + 1; }
std::int64_t GroupedCase::q() const { return (w + 2 * pad_w - s) / stride_w + 1; }

Sums grouped_forward(const GroupedCase& t, const std::vector<double>& x,
                     const std::vector<double>& w, const std::vector<double>& b) {
  Sums y = zeros(index(t.n * t.p() * t.q() * t.k));
  for (std::size_t i = 0; i < y.value.size(); ++i) add(y, i, b[i % b.size()]);
  for_each_grouped_product(
      t, [&](std::size_t xi, std::size_t wi, std::size_t yi) { add(y, yi, x[xi] * w[wi]); });
  return y;
}

Sums grouped_backward_data(const GroupedCase& t, const std::vector<double>& dy,
                           const std::vector<double>& w) {
  Sums dx = zeros(index(t.n * t.h * t.w * t.c));
  for_each_grouped_product(
      t, [&](std::size_t xi, std::size_t wi, std::size_t yi) { add(dx, xi, dy[yi] * w[wi]); });
  return dx;
}

Sums grouped_backward_weight(const GroupedCase& t, const std::vector<double>& x,
                             const std::vector<double>& dy) {
  Sums dw = zeros(index(t.r * t.s * t.c / t.groups * t.k));
  for_each_grouped_product(
      t, [&](std::size_t xi, std::size_t wi, std::size_t yi) { add(dw, wi, x[xi] * dy[yi]); });
  return dw;
}

Sums grouped_backward_bias(const GroupedCase& t, const std::vector<double>& dy) {
  Sums db = zeros(index(t.k));
  for (std::size_t i = 0; i < dy.size(); ++i) add(db, i % index(t.k), dy[i]);
  return db;
}

}  // namespace oracle
