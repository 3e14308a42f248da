/// The gradient dy of a convolution's result as operand B of the weight gradient: read as it is
/// stored, or the deferred gradient of a batch norm behind the convolution, evaluated after it is
/// read.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/affine.cuh"
#include "kernels/cuda/conv2d/operands.cuh"

namespace trifold::kernels::cuda {

/// dy (rows, columns), `vectors` saying whether its rows are 16-byte vectors.
struct StoredGradient {
  const float* dy;
  bool vectors;
};

/// dy = (g + coefficient (y - mean) + constant) scale, channel by channel, from g and y like it.
struct DeferredGradient {
  const float *g, *y;
  ChannelAffineGradient factors;
  float* dy;  ///< where it is kept for what reads it next, or null
  bool vectors;
};

/// B as it is evaluated from g, which `Operand` reads, and from y.
///
/// Copies may run any number of steps ahead: offset_of_evaluated() and keep() speak of the step
/// that is evaluated next, and next_evaluated() ends it.
template <class Operand>
class DeferredOperand : public Operand {
 public:
  __device__ DeferredOperand(const Operand& g, const DeferredGradient& gradient, bool keeps)
      : Operand(g),
        y_(gradient.y),
        factors_(gradient.factors),
        dy_(keeps ? gradient.dy : nullptr),
        evaluated_depth_(g.depth()) {}

  /// What has to be copied of y, to be asked for before the step of g is.
  class Beside {
   public:
    __device__ explicit Beside(const DeferredOperand& b) : b_(b) {}
    template <class Share>
    __device__ const float* address(int i) const {
      const std::int64_t at = b_.template offset<Share>(i, b_.depth());
      return at < 0 ? nullptr : b_.y_ + at;
    }
    __device__ void next_vector() {}
    __device__ void next_step() {}
    __device__ bool vectors() const { return b_.vectors(); }

   private:
    const DeferredOperand& b_;
  };
  __device__ Beside beside() const { return Beside(*this); }

  /// The coefficients of this thread's vectors of `width` channels.
  template <class Share, int width>
  __device__ AffineGradient<width> factors() const {
    return factors_.template at<width>(this->template column<Share, width>());
  }
  template <class Share>
  __device__ std::int64_t offset_of_evaluated(int i) const {
    return this->template offset<Share>(i, evaluated_depth_);
  }
  template <int width>
  __device__ void keep(std::int64_t offset, const Floats<width>& dy) const {
    if (dy_ != nullptr) store_at(dy_, offset, dy);
  }
  __device__ void next_evaluated() { evaluated_depth_ += conv2d_step; }

 private:
  const float* y_;
  ChannelAffineGradient factors_;
  float* dy_;
  std::int64_t evaluated_depth_;
};

template <class Operand>
inline constexpr bool is_deferred = false;
template <class Operand>
inline constexpr bool is_deferred<DeferredOperand<Operand>> = true;

/// B for either kind of gradient, of which the caller's tile begins at `first_column` and its part
/// of the depth at `first_row`. With `keeps` set it keeps what it evaluates.
template <int extent>
__device__ MatrixOperand<extent> gradient_operand(const StoredGradient& gradient, std::int64_t rows,
                                                  int columns, std::int64_t first_row,
                                                  std::int64_t first_column, bool) {
  return {gradient.dy, rows, columns, first_row, first_column, gradient.vectors};
}
template <int extent>
__device__ DeferredOperand<MatrixOperand<extent>> gradient_operand(const DeferredGradient& gradient,
                                                                   std::int64_t rows, int columns,
                                                                   std::int64_t first_row,
                                                                   std::int64_t first_column,
                                                                   bool keeps) {
  return {
      MatrixOperand<extent>(gradient.g, rows, columns, first_row, first_column, gradient.vectors),
      gradient, keeps};
}

template <int extent, class Gradient>
using GradientOperand =
    std::conditional_t<std::is_same_v<Gradient, StoredGradient>, MatrixOperand<extent>,
                       DeferredOperand<MatrixOperand<extent>>>;

}  // namespace trifold::kernels::cuda
