/// Plain double-precision fully connected layer.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// c (m,n) = a (m,k) b (k,n), either operand transposed where its flag says so, and for each
/// element the sum of the magnitudes of its terms.
struct Product {
  std::vector<double> value, magnitude;
};
Product multiply(std::int64_t m, std::int64_t k, std::int64_t n, const std::vector<float>& a,
                 bool a_transposed, const std::vector<float>& b, bool b_transposed);

}  // namespace oracle
