/// The normalisation of a batch norm and its gradient, channel by channel.
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

/// The factors of V channels of a batch norm's gradient.
template <int V>
struct AffineGradient {
  Floats<V> mean, scale, slope, offset;

  /// (g + (y - mean) slope + offset) scale, the product fused by name as above.
  __device__ Floats<V> operator()(Floats<V> g, const Floats<V>& y) const {
    for (int v = 0; v < V; ++v) {
      g.v[v] = fmaf(y.v[v] - mean.v[v], slope.v[v], g.v[v] + offset.v[v]) * scale.v[v];
    }
    return g;
  }
};

/// The factors of all channels, one float each.
struct ChannelAffineGradient {
  const float *mean, *scale, *slope, *offset;

  template <int V>
  __device__ AffineGradient<V> at(std::int64_t c) const {
    return {load<V>(mean + c), load<V>(scale + c), load<V>(slope + c), load<V>(offset + c)};
  }
};

}  // namespace trifold::kernels::cuda
