/// Plain double-precision references of kernels/optimizer.h.
#pragma once

#include <vector>

namespace oracle {

struct Sgd {
  double lr, momentum, weight_decay, l1;
  bool nesterov;
};

/// Updates v and w.
void sgd_step(const Sgd& sgd, const std::vector<double>& dw, std::vector<double>& v,
              std::vector<double>& w);

}  // namespace oracle
