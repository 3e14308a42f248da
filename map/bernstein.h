/// Polynomials in Bernstein form.
#pragma once

#include <cstdint>
#include <vector>

namespace trifold::map {

/// B_k(u) = C(K, k) u^k (1 - u)^(K - k), k = 0..K, for u in [0, 1]. They sum to 1; a polynomial
/// sum_k b_k B_k with b_0 <= b_1 <= ... <= b_K does not fall on [0, 1], since its derivative is
/// K sum_k (b_{k+1} - b_k) B_k of degree K - 1.
std::vector<double> bernstein(double u, std::int64_t degree);

/// Coefficients of 1, t, ..., t^K of the polynomial with the Bernstein coefficients b, where
/// u = (1 + t) / 2: the form of Univariate over the same range.
std::vector<double> powers_of_bernstein(const std::vector<double>& b);

}  // namespace trifold::map
