#include "tests/oracle/linear.h"

#include <cmath>

namespace oracle {

Product multiply(std::int64_t m, std::int64_t k, std::int64_t n, const std::vector<float>& a,
                 bool a_transposed, const std::vector<float>& b, bool b_transposed) {
  Product c;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double value = 0, magnitude = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        const double left = a[static_cast<std::size_t>(a_transposed ? l * m + i : i * k + l)];
        const double right = b[static_cast<std::size_t>(b_transposed ? j * k + l : l * n + j)];
        value += left * right;
        magnitude += std::abs(left * right);
      }
      c.value.push_back(value);
      c.magnitude.push_back(magnitude);
    }
  return c;
}

}  // namespace oracle
