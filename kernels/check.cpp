/// What the contracts demand of their extents, whatever the device.
#include <initializer_list>

#include "kernels/augment.h"
#include "kernels/batch_norm.h"
#include "kernels/channel_gather.h"
#include "kernels/channel_scale.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/flatten.h"
#include "kernels/grouped_conv2d.h"
#include "kernels/inverted_residual.h"
#include "kernels/linear.h"
#include "kernels/norm_conv2d.h"
#include "kernels/pool.h"
#include "kernels/resize.h"
#include "kernels/runtime/error.h"
#include "kernels/softmax_cross_entropy.h"

namespace trifold::kernels {
namespace {

/// Throws unless the product of positive factors is below 2^62.
void check_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t product = 1;
  for (std::int64_t factor : factors) {
    require<ShapeError>(product <= ((std::int64_t{1} << 62) - 1) / factor,
                        "a convolution's tensor has 2^62 elements or more; make it smaller");
    product *= factor;
  }
}

}  // namespace

void check(const AugmentShape& s) {
  require<ShapeError>(s.n >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1,
                      "an augmentation of images of shape ({}, {}, {}, {})", s.n, s.h, s.w, s.c);
}

void check(const BatchNormShape& s) {
  require<ShapeError>(s.rows >= 1 && s.channels >= 1,
                      "a batch normalisation of {} rows and {} channels", s.rows, s.channels);
}

std::int64_t pitch_of(std::int64_t pitch, const BatchNormShape& s) {
  require<ShapeError>(pitch == 0 || pitch >= s.channels,
                      "{} channels of an array that has a pitch of {}", s.channels, pitch);
  return pitch == 0 ? s.channels : pitch;
}

std::int64_t pitch_of(const InputNorm& norm, const Conv2dShape& s) {
  return pitch_of(norm.pitch, BatchNormShape{s.n * s.h * s.w, s.c});
}

void check(const ChannelGatherShape& s) {
  require<ShapeError>(s.n >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1 && s.k >= 1 && s.stride >= 1,
                      "a channel gather from ({}, {}, {}, {}) to {} channels with stride {}", s.n,
                      s.h, s.w, s.c, s.k, s.stride);
}

void check(const ChannelSlice& s) {
  require<ShapeError>(s.rows >= 1 && s.channels >= 1, "a slice of {} rows and {} channels", s.rows,
                      s.channels);
  require<ShapeError>(s.src_offset >= 0 && s.channels <= s.src_channels - s.src_offset,
                      "a slice of {} channels from channel {} of a source with {}", s.channels,
                      s.src_offset, s.src_channels);
  require<ShapeError>(s.dst_offset >= 0 && s.channels <= s.dst_channels - s.dst_offset,
                      "a slice of {} channels at channel {} of a destination with {}", s.channels,
                      s.dst_offset, s.dst_channels);
}

void check(const Conv2dShape& s) {
  for (std::int64_t extent : {s.n, s.h, s.w, s.c, s.k, s.r, s.s, s.stride_h, s.stride_w})
    require<ShapeError>(extent >= 1,
                        "a convolution's extents and strides must be at least 1, but one is {}",
                        extent);
  require<ShapeError>(s.pad_h >= 0 && s.pad_h < s.r && s.pad_w >= 0 && s.pad_w < s.s,
                      "a convolution's padding {}x{} must be at least 0 and smaller than its "
                      "window {}x{}",
                      s.pad_h, s.pad_w, s.r, s.s);
  check_product({s.n, s.h, s.w, s.c});
  check_product({s.r, s.s, s.c, s.k});
  require<ShapeError>(s.h >= s.r - 2 * s.pad_h && s.w >= s.s - 2 * s.pad_w,
                      "a convolution's window {}x{} is larger than its padded input {}x{}", s.r,
                      s.s, s.h + 2 * s.pad_h, s.w + 2 * s.pad_w);
  check_product({s.n, s.p(), s.q(), s.k});
}

void check(const DepthwiseConv2dShape& s) {
  // One filter each: but for the output's size, a convolution's demands.
  check(Conv2dShape{s.n, s.h, s.w, s.c, 1, s.r, s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w});
  check_product({s.n, s.p(), s.q(), s.c});
}

void check(const InvertedResidualShape& s) {
  for (const Conv2dShape& c : {s.expand, s.project}) {
    check(c);
    require<ShapeError>(c.r == 1 && c.s == 1 && c.stride_h == 1 && c.stride_w == 1,
                        "an inverted residual's convolution with a window {}x{} of stride {}x{}; "
                        "it must be 1x1 and 1x1",
                        c.r, c.s, c.stride_h, c.stride_w);
  }
  const DepthwiseConv2dShape& d = s.depthwise;
  check(d);
  require<ShapeError>(
      d.n == s.expand.n && d.h == s.expand.h && d.w == s.expand.w && d.c == s.expand.k &&
          s.project.n == d.n && s.project.h == d.p() && s.project.w == d.q() && s.project.c == d.c,
      "an inverted residual's convolutions don't fit together: {}x{}x{}x{} is expanded, "
      "{}x{}x{}x{} convolved, and {}x{}x{}x{} of {}x{}x{}x{} projected",
      s.expand.n, s.expand.h, s.expand.w, s.expand.k, d.n, d.h, d.w, d.c, s.project.n, s.project.h,
      s.project.w, s.project.c, d.n, d.p(), d.q(), d.c);
}

void check(const GroupedConv2dShape& s) {
  require<ShapeError>(s.groups >= 1 && s.c % s.groups == 0 && s.k % s.groups == 0,
                      "a convolution of {} channels with {} filters in {} groups; these must be at "
                      "least 1 and divide both",
                      s.c, s.k, s.groups);
  check(Conv2dShape{s.n, s.h, s.w, s.c, s.k, s.r, s.s, s.stride_h, s.stride_w, s.pad_h, s.pad_w});
}

void check_dropout(float rate) {
  require<ShapeError>(rate >= 0 && rate < 1, "a dropout of a share of {}; it must be in [0, 1)",
                      rate);
}

void check(const FlattenShape& s) {
  constexpr std::int64_t most = (std::int64_t{1} << 31) - 1;
  require<ShapeError>(s.n >= 1 && s.pixels >= 1 && s.c >= 1 && s.pixels <= most && s.c <= most,
                      "a flattening of {} images of {} pixels and {} channels", s.n, s.pixels, s.c);
}

void check(const ChannelScaleShape& s) {
  require<ShapeError>(s.n >= 1 && s.pixels >= 1 && s.c >= 1,
                      "factors of {} images of {} pixels and {} channels", s.n, s.pixels, s.c);
}

void check_mean(std::int64_t count) {
  require<ShapeError>(count >= 1, "the mean of {} numbers", count);
}

void check(const LinearShape& s) {
  require<ShapeError>(s.n >= 1 && s.in >= 1 && s.out >= 1,
                      "a linear layer's extents must be at least 1, but they are n {}, in {}, out "
                      "{}",
                      s.n, s.in, s.out);
}

void check(const PoolShape& s) {
  require<ShapeError>(s.n >= 1 && s.h >= 1 && s.w >= 1 && s.c >= 1,
                      "a pool of an image batch of shape ({}, {}, {}, {})", s.n, s.h, s.w, s.c);
  require<ShapeError>(s.r >= 1 && s.s >= 1 && s.stride_h >= 1 && s.stride_w >= 1,
                      "a pool with window ({}, {}) and stride ({}, {})", s.r, s.s, s.stride_h,
                      s.stride_w);
  require<ShapeError>(s.pad_h >= 0 && s.pad_w >= 0 && s.pad_h <= s.r / 2 && s.pad_w <= s.s / 2,
                      "a pool's padding ({}, {}) is negative or over half its window ({}, {})",
                      s.pad_h, s.pad_w, s.r, s.s);
  require<ShapeError>(s.h + 2 * s.pad_h >= s.r && s.w + 2 * s.pad_w >= s.s,
                      "a pool's window ({}, {}) is larger than the padded image ({}, {})", s.r, s.s,
                      s.h + 2 * s.pad_h, s.w + 2 * s.pad_w);
}

void check_global_pool(std::int64_t n, std::int64_t pixels, std::int64_t c) {
  require<ShapeError>(n >= 1 && pixels >= 1 && c >= 1,
                      "a global pool of {} images of {} pixels and {} channels", n, pixels, c);
}

void check(const ResizeShape& s) {
  require<ShapeError>(
      s.n >= 1 && s.src_h >= 1 && s.src_w >= 1 && s.dst_h >= 1 && s.dst_w >= 1 && s.c >= 1,
      "a resize of {} images of {} channels from ({}, {}) to ({}, {})", s.n, s.c, s.src_h, s.src_w,
      s.dst_h, s.dst_w);
}

void check(const SoftmaxShape& s) {
  require<ShapeError>(s.n >= 1 && s.classes >= 1, "a softmax of {} rows and {} classes", s.n,
                      s.classes);
}

}  // namespace trifold::kernels
