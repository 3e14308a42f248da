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
