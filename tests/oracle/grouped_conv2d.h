/// Plain double-precision convolution in groups and its gradients, straight from the formula.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/oracle/conv2d.h"

namespace oracle {

struct GroupedCase {
  std::int64_t n, h, w, c, k, r, s, groups, stride_h, stride_w, pad_h, pad_w;

  std::int64_t p() const;
  std::int64_t q() const;
};

/// y (n,p,q,k) from x (n,h,w,c), w (r,s,c/groups,k), b (k).
Sums grouped_forward(const GroupedCase& t, const std::vector<double>& x,
                     const std::vector<double>& w, const std::vector<double>& b);
/// dx (n,h,w,c) from dy (n,p,q,k), w.
Sums grouped_backward_data(const GroupedCase& t, const std::vector<double>& dy,
                           const std::vector<double>& w);
/// dw (r,s,c/groups,k) from x, dy.
Sums grouped_backward_weight(const GroupedCase& t, const std::vector<double>& x,
                             const std::vector<double>& dy);
/// db (k) from dy.
Sums grouped_backward_bias(const GroupedCase& t, const std::vector<double>& dy);

}  // namespace oracle
