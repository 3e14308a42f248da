/// The normalisation of a batch norm, channel by channel.
#pragma once

#include "kernels/cuda/vector.cuh"

namespace trifold::kernels::cuda {

/// NaN stays NaN, as it wouldn't in a maximum.
__device__ inline float relu_of(float value) { return value < 0 ? 0 : value; }

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

}  // namespace trifold::kernels::cuda
