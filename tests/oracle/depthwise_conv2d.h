/// Plain double-precision depthwise convolution and its gradients, straight from the formula.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/oracle/conv2d.h"

namespace oracle {

struct DepthwiseCase {
  std::int64_t n, h, w, c, r, s, stride_h, stride_w, pad_h, pad_w;

  std::int64_t p() const;
  std::int64_t q() const;
};

/// y (n,p,q,c) from x (n,h,w,c), w (r,s,c), b (c).
Sums depthwise_forward(const DepthwiseCase& t, const std::vector<double>& x,
                       const std::vector<double>& w, const std::vector<double>& b);
/// dx (n,h,w,c) from dy (n,p,q,c), w.
Sums depthwise_backward_data(const DepthwiseCase& t, const std::vector<double>& dy,
                             const std::vector<double>& w);
/// dw (r,s,c) from x, dy.
Sums depthwise_backward_weight(const DepthwiseCase& t, const std::vector<double>& x,
                               const std::vector<double>& dy);
/// db (c) from dy.
Sums depthwise_backward_bias(const DepthwiseCase& t, const std::vector<double>& dy);

}  // namespace oracle
