#include "tests/oracle/optimizer.h"

namespace oracle {

void sgd_step(const Sgd& sgd, const std::vector<double>& dw, std::vector<double>& v,
              std::vector<double>& w) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double sign = w[i] > 0 ? 1 : w[i] < 0 ? -1 : 0;
    const double g = dw[i] + sgd.weight_decay * w[i] + sgd.l1 * sign;
    v[i] = sgd.momentum * v[i] + g;
    w[i] -= sgd.lr * (sgd.nesterov ? g + sgd.momentum * v[i] : v[i]);
  }
}

}  // namespace oracle
