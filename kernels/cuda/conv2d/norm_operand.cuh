/// A batch norm in front of a convolution, worked on operand A after it is read.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/affine.cuh"

namespace trifold::kernels::cuda {

/// The norm of a kernel that takes A as it is.
struct NoNorm {};

/// a = act((x - mean) scale + shift), channel by channel; pixels of x lie `pitch` floats apart.
struct Norm {
  ChannelAffine factors;
  bool relu;
  int pitch;
};

/// The floats from a pixel of an operand of `c` channels to the next.
inline __device__ int pitch_of(NoNorm, int c) { return c; }
inline __device__ int pitch_of(const Norm& norm, int) { return norm.pitch; }

/// A of a convolution over a = norm(x), x being what `Operand` reads.
///
/// It takes note of which vectors of a step lie inside the image, for the padding is zero after the
/// norm, and of their channel, which is the same for all vectors of a thread. Copies may run two
/// steps ahead of the norm: arrive() is to be called before each step's copies, and after the last,
/// and the step that norm() and has() speak of is then the one before the last copied.
template <class Operand>
class Normalised : public Operand {
 public:
  __device__ Normalised(const Operand& operand, const Norm& norm) : Operand(operand), norm_(norm) {}

  template <class Share>
  __device__ const float* address(int i) {
    const float* from = Operand::template address<Share>(i);
    if (from != nullptr) inside_ |= 1u << i;
    return from;
  }
  __device__ void next_step() {
    copied_ = {this->channel(), inside_};
    inside_ = 0;
    Operand::next_step();
  }

  __device__ void arrive() { arrived_ = copied_; }

  /// Whether the i-th vector of this thread's share lies inside the image.
  __device__ bool has(int i) const { return (arrived_.inside >> i & 1) != 0; }

  /// The function that normalises a vector of this thread's share.
  template <int width>
  __device__ auto norm() const {
    return [factors = norm_.factors.template at<width>(arrived_.channel),
            relu = norm_.relu](const Floats<width>& x) {
      Floats<width> a = factors(x);
      if (relu) {
        for (int i = 0; i < width; ++i) a.v[i] = relu_of(a.v[i]);
      }
      return a;
    };
  }

 private:
  struct Step {
    int channel;
    std::uint32_t inside;
  };

  Norm norm_;
  std::uint32_t inside_ = 0;
  Step copied_{}, arrived_{};
};

template <class Operand>
inline constexpr bool is_normalised = false;
template <class Operand>
inline constexpr bool is_normalised<Normalised<Operand>> = true;

template <class Operand>
__device__ Operand with_norm(const Operand& a, NoNorm) {
  return a;
}
template <class Operand>
__device__ Normalised<Operand> with_norm(const Operand& a, const Norm& norm) {
  return {a, norm};
}

/// `Operand` behind a norm, or itself with NoNorm.
template <class Operand, class Norm>
using WithNorm = std::conditional_t<std::is_same_v<Norm, NoNorm>, Operand, Normalised<Operand>>;

}  // namespace trifold::kernels::cuda
