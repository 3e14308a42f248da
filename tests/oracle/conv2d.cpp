#include "tests/oracle/conv2d.h"

#include <cmath>

namespace oracle {
namespace {

Sums zeros(std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  return {std::vector<double>(size, 0.0), std::vector<double>(size, 0.0)};
}

void add(Sums& sums, std::int64_t at, double term) {
  sums.value[static_cast<std::size_t>(at)] += term;
  sums.magnitude[static_cast<std::size_t>(at)] += std::abs(term);
}

double at(const std::vector<float>& v, std::int64_t i) { return v[static_cast<std::size_t>(i)]; }

}  // namespace

std::int64_t Conv2dCase::p() const { return (h + 2 * pad - r) / stride + 1; }
std::int64_t Conv2dCase::q() const { return (w + 2 * pad - s) / stride + 1; }

Sums conv2d_forward(const Conv2dCase& t, const std::vector<float>& x, const std::vector<float>& w,
                    const std::vector<float>& b) {
  Sums y = zeros(t.n * t.p() * t.q() * t.k);
  for (std::int64_t i = 0; i < t.n * t.p() * t.q() * t.k; ++i) add(y, i, at(b, i % t.k));
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    add(y, yi, at(x, xi) * at(w, wi));
  });
  return y;
}

Sums conv2d_backward_data(const Conv2dCase& t, const std::vector<float>& dy,
                          const std::vector<float>& w) {
  Sums dx = zeros(t.n * t.h * t.w * t.c);
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    add(dx, xi, at(dy, yi) * at(w, wi));
  });
  return dx;
}

Sums conv2d_backward_weight(const Conv2dCase& t, const std::vector<float>& x,
                            const std::vector<float>& dy) {
  Sums dw = zeros(t.r * t.s * t.c * t.k);
  for_each_product(t, [&](std::int64_t xi, std::int64_t wi, std::int64_t yi) {
    add(dw, wi, at(x, xi) * at(dy, yi));
  });
  return dw;
}

Sums conv2d_backward_bias(const Conv2dCase& t, const std::vector<float>& dy) {
  Sums db = zeros(t.k);
  for (std::int64_t i = 0; i < t.n * t.p() * t.q() * t.k; ++i) add(db, i % t.k, at(dy, i));
  return db;
}

}  // namespace oracle
