/// The arithmetic of ReLU, and of a batch norm and its gradient, channel by channel.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

/// NaN stays NaN, as it wouldn't in a maximum.
__device__ inline float relu_of(float value) { return value < 0 ? 0 : value; }

/// The ReLU mask: dy where the ReLU's result y > 0, else 0.
__device__ inline float relu_masked(float dy, float y) { return y > 0 ? dy : 0; }

/// The factors of V channels.
template <int V>
struct Affine {
  Floats<V> mean, scale, shift;

  /// (x - mean) scale + shift. The product is fused by name, so that all kernels find the same bits
  /// and agree on the sign.
  __device__ Floats<V> operator()(Floats<V> x) const {
    for (int v = 0; v < V; ++v) x.v[v] = fmaf(x.v[v] - mean.v[v], scale.v[v], shift.v[v]);
    return x;
  }
};

/// The factors of all channels, one float each.
struct ChannelAffine {
  const float *mean, *scale, *shift;

  template <int V>
  __device__ Affine<V> at(std::int64_t c) const {
    return {load<V>(mean + c), load<V>(scale + c), load<V>(shift + c)};
  }
};

/// The coefficients of V channels of a deferred batch-norm gradient (kernels/norm_conv2d.h).
template <int V>
struct AffineGradient {
  Floats<V> mean, scale, coefficient, constant;

  /// (g + coefficient (y - mean) + constant) scale, the product fused by name as above.
  __device__ Floats<V> operator()(Floats<V> g, const Floats<V>& y) const {
    for (int v = 0; v < V; ++v) {
      g.v[v] = fmaf(y.v[v] - mean.v[v], coefficient.v[v], g.v[v] + constant.v[v]) * scale.v[v];
    }
    return g;
  }
};

/// The coefficients of all channels, one float each.
struct ChannelAffineGradient {
  const float *mean, *scale, *coefficient, *constant;

  template <int V>
  __device__ AffineGradient<V> at(std::int64_t c) const {
    return {load<V>(mean + c), load<V>(scale + c), load<V>(coefficient + c), load<V>(constant + c)};
  }
};

}  // namespace trifold::kernels::cuda
