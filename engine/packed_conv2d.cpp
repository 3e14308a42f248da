#include "engine/packed_conv2d.h"

#include "engine/ops/conv2d_shape.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

/// A shape of images with at most so many channels.
Shape first_channels(const Shape& x, std::int64_t channels) {
  if (x.rank() != 4 || x[3] < channels) return x;
  return {x[0], x[1], x[2], channels};
}

}  // namespace

kernels::Conv2dShape PackedConv2d::shape(const Shape& x) const {
  const Shape read = norm_ ? first_channels(x, w_.shape()[2]) : x;
  return conv2d_shape(read, w_.shape(), &b_.shape(), geometry_);
}

const float* PackedConv2d::packed(const kernels::Exec& ex, const kernels::Conv2dShape& s) {
  const kernels::Conv2dPacking packing = kernels::conv2d_packing(ex, s);
  Tensor& packed = packed_[packing.form];
  if (!packed.defined()) {
    packed = Tensor::empty({packing.floats}, w_.device());
    kernels::conv2d_pack(ex, s, w_.data(), packed.data());
  }
  return packed.data();
}

Tensor PackedConv2d::run(const kernels::Exec& ex, const Tensor& x, const Tensor* residual,
                         kernels::Activation act) {
  const kernels::Conv2dShape s = shape(x.shape());
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.k}, x.device());
  require<ShapeError>(!residual || residual->shape() == y.shape(),
                      "conv2d to {} with a residual {}", to_string(y.shape()),
                      residual ? to_string(residual->shape()) : "");
  kernels::InputNorm norm{};
  if (norm_) {
    norm = {norm_->mean.data(), norm_->scale.data(), norm_->shift.data(), norm_->act,
            x.shape().channels()};
  }
  kernels::conv2d_packed_forward(ex, s, x.data(), norm_ ? &norm : nullptr, packed(ex, s), b_.data(),
                                 residual ? residual->data() : nullptr, act, y.data());
  return y;
}

}  // namespace trifold::engine
