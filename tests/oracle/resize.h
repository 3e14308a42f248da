/// Plain double-precision references of kernels/resize.h.
#pragma once

#include <cstdint>
#include <vector>

namespace oracle {

/// The dense matrix (dst, src) of a bilinear resize in one dimension.
std::vector<std::vector<double>> resize_matrix(std::int64_t src, std::int64_t dst, bool antialias);

struct Resize {
  std::int64_t n, src_h, src_w, dst_h, dst_w, c;
  bool antialias;
};

std::vector<double> resize_forward(const Resize& r, const std::vector<double>& x);
std::vector<double> resize_backward(const Resize& r, const std::vector<double>& dy);

}  // namespace oracle
