/// Plain double-precision references of kernels/pool.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Pool {
  std::int64_t n, h, w, c, r, s, stride_h, stride_w, pad_h, pad_w;
};

struct MaxPool {
  std::vector<double> y;
  std::vector<std::int64_t> argmax;  ///< the winner's pixel within its image
};

MaxPool max_pool_forward(const Pool& pool, const std::vector<double>& x);
std::vector<double> max_pool_backward(const Pool& pool, const std::vector<double>& dy,
                                      const std::vector<std::int64_t>& argmax);
std::vector<double> avg_pool_forward(const Pool& pool, const std::vector<double>& x);
std::vector<double> avg_pool_backward(const Pool& pool, const std::vector<double>& dy);

}  // namespace oracle
