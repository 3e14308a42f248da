/// Plain double-precision references of kernels/batch_norm.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

struct Statistics {
  std::vector<double> mean, var;  ///< var is biased
};

/// Of x (rows, channels), a channel at a time.
Statistics batch_statistics(std::int64_t channels, const std::vector<double>& x);

/// act(gamma (x - mean) / sqrt(var + eps) + beta + residual); an empty residual counts as zeros.
std::vector<double> batch_norm(const std::vector<double>& x, const Statistics& statistics,
                               const std::vector<double>& gamma, const std::vector<double>& beta,
                               double eps, const std::vector<double>& residual, bool relu);

struct BatchNormGradients {
  std::vector<double> dx, dgamma, dbeta, dresidual;
};

/// `y` is the forward result where relu is set. `batch`: the statistics are those of x and move
/// with it; otherwise they are constants.
BatchNormGradients batch_norm_backward(const std::vector<double>& x, const std::vector<double>& y,
                                       const Statistics& statistics,
                                       const std::vector<double>& gamma, double eps, bool relu,
                                       bool batch, const std::vector<double>& dy);

}  // namespace oracle
