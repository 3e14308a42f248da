/// The sigmoid and its relatives, in double precision.
#pragma once

#include <vector>

namespace oracle {

enum class Sigmoid { sigmoid, silu, hard_sigmoid, hard_swish };

/// One value, and the derivative there; at a bend of a piecewise function, the outer side's.
double sigmoid_value(Sigmoid kind, double x);
double sigmoid_slope(Sigmoid kind, double x);

std::vector<double> sigmoid_forward(Sigmoid kind, const std::vector<double>& x);
std::vector<double> sigmoid_backward(Sigmoid kind, const std::vector<double>& x,
                                     const std::vector<double>& dy);

}  // namespace oracle
