/// Plain double-precision references of kernels/elementwise.h.
#pragma once

#include <vector>

namespace oracle {

std::vector<double> relu_forward(const std::vector<double>& x);
std::vector<double> relu_backward(const std::vector<double>& y, const std::vector<double>& dy);
std::vector<double> relu6_forward(const std::vector<double>& x);
std::vector<double> relu6_backward(const std::vector<double>& y, const std::vector<double>& dy);

}  // namespace oracle
