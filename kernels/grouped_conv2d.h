/// Two-dimensional convolution in groups, channels-last: each filter sees the channels of its group
/// alone.
///
/// Reference tests/oracle/grouped_conv2d.h; test tests/kernels/grouped_conv2d_test.cpp.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/runtime/exec.h"

namespace trifold::kernels {

/// Extents in elements. Channels and filters are dealt out to the groups in order: group i has the
/// channels from i c / groups on, and the filters from i k / groups on.
struct GroupedConv2dShape {
  std::int64_t n, h, w, c;  ///< input: batch, height, width, channels
  std::int64_t k, r, s;     ///< filters, window height and width
  std::int64_t groups;
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;

  std::int64_t group_c() const { return c / groups; }
  std::int64_t group_k() const { return k / groups; }
  /// The convolution of `count` groups and `images` images, if its filters saw all of its channels.
  Conv2dShape dense(std::int64_t images, std::int64_t count) const {
    return {images,   h,     w,    count * group_c(), count * group_k(), r, s, stride_h,
            stride_w, pad_h, pad_w};
  }
  std::int64_t p() const { return dense(n, groups).p(); }
  std::int64_t q() const { return dense(n, groups).q(); }
  std::int64_t x_size() const { return n * h * w * c; }
  std::int64_t w_size() const { return r * s * group_c() * k; }
  std::int64_t y_size() const { return n * p() * q() * k; }
};

/// Throws ShapeError unless the groups are at least one and divide channels and filters, and check()
/// of a dense convolution of these extents holds.
void check(const GroupedConv2dShape& s);

/// y[n,p,q,k] = b[k] + sum over r,s and j < c / groups of
///   x[n, p stride - pad + r, q stride - pad + s, g c / groups + j] w[r,s,j,k],
/// g being the group of filter k; x is zero outside its extents.
/// Shapes    x (n,h,w,c), w (r,s,c/groups,k), b (k) or null, y (n,p,q,k); float32 on ex.device.
/// Effects   overwrites y, which overlaps nothing else.
/// Errors    ShapeError as check() says; DeviceError for a device that is not built in.
/// Numerics  as conv2d_forward, with the sums over a group's channels. Narrow groups may be worked
///           together, with zeros for the weights between them, so that an input which isn't finite
///           can make NaN of a neighbouring group's results, too.
/// Source    Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks",
///           2012, section 3.2; Xie et al., "Aggregated Residual Transformations", 2017, section 3.3.
void grouped_conv2d_forward(const Exec& ex, const GroupedConv2dShape& s, const float* x,
                            const float* w, const float* b, float* y);

/// dx is the gradient of <dy, y> with respect to x.
/// Shapes    dy (n,p,q,k), w (r,s,c/groups,k), dx (n,h,w,c).
/// Effects   writes or accumulates dx.
/// Numerics  as conv2d_backward_data, with the sums over a group's filters.
void grouped_conv2d_backward_data(const Exec& ex, const GroupedConv2dShape& s, const float* dy,
                                  const float* w, Write write, float* dx);

/// dw is the gradient of <dy, y> with respect to w, and db (unless null) with respect to b.
/// Shapes    x (n,h,w,c), dy (n,p,q,k), dw (r,s,c/groups,k), db (k) or null.
/// Effects   overwrites dw and db.
/// Numerics  as conv2d_backward_weight.
void grouped_conv2d_backward_weight(const Exec& ex, const GroupedConv2dShape& s, const float* x,
                                    const float* dy, float* dw, float* db);

}  // namespace trifold::kernels
