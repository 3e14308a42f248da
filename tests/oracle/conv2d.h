/// Plain double-precision convolution and its gradients, straight from the formula.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Conv2dCase {
  std::int64_t n, h, w, c, k, r, s, stride, pad;

  std::int64_t p() const;
  std::int64_t q() const;
};

/// Calls body(x index, w index, y index) for every product of the convolution.
template <class Body>
void for_each_product(const Conv2dCase& t, const Body& body) {
  for (std::int64_t n = 0; n < t.n; ++n)
    for (std::int64_t p = 0; p < t.p(); ++p)
      for (std::int64_t q = 0; q < t.q(); ++q)
        for (std::int64_t r = 0; r < t.r; ++r)
          for (std::int64_t s = 0; s < t.s; ++s) {
            const std::int64_t i = p * t.stride - t.pad + r, j = q * t.stride - t.pad + s;
            if (i < 0 || i >= t.h || j < 0 || j >= t.w) continue;
            for (std::int64_t c = 0; c < t.c; ++c)
              for (std::int64_t k = 0; k < t.k; ++k)
                body(((n * t.h + i) * t.w + j) * t.c + c, ((r * t.s + s) * t.c + c) * t.k + k,
                     ((n * t.p() + p) * t.q() + q) * t.k + k);
          }
}

/// A result and, element by element, the sum of the magnitudes of its terms.
struct Sums {
  std::vector<double> value, magnitude;
};

/// y (n,p,q,k) from x (n,h,w,c), w (r,s,c,k), b (k).
Sums conv2d_forward(const Conv2dCase& t, const std::vector<float>& x, const std::vector<float>& w,
                    const std::vector<float>& b);
/// dx (n,h,w,c) from dy (n,p,q,k), w.
Sums conv2d_backward_data(const Conv2dCase& t, const std::vector<float>& dy,
                          const std::vector<float>& w);
/// dw (r,s,c,k) from x, dy.
Sums conv2d_backward_weight(const Conv2dCase& t, const std::vector<float>& x,
                            const std::vector<float>& dy);
/// db (k) from dy.
Sums conv2d_backward_bias(const Conv2dCase& t, const std::vector<float>& dy);

}  // namespace oracle
