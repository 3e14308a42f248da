/// Passes over the pixels of channels-last images, vectorised over the channels: the parts of batch
/// norms that convolutions work on what they read and write while it lies in the cache.
#pragma once

#include <cstdint>

#include "kernels/norm_conv2d.h"
#include "kernels/runtime/instruction_set.h"

namespace trifold::kernels::cpu {

/// Pixels, each by where its channels begin.
struct Pixels {
  const std::int64_t* offsets;
  std::int64_t count;
};

/// The versions for one instruction set.
struct PixelPasses {
  InstructionSet set;
  /// a = norm(x) for `count` pixels that follow each other, `pitch` floats apart in x.
  void (*normalise)(const InputNorm& norm, std::int64_t channels, std::int64_t count,
                    const float* x, std::int64_t pitch, float* a);
  /// statistics (2, channels): the means of the pixels, and their sums of squared deviations.
  void (*statistics)(std::int64_t channels, const Pixels& pixels, const float* y,
                     double* statistics);
  /// Clears g where norm.act is relu and a <= 0 (the ReLU mask), a being norm(x) where it is null;
  /// sums (2, channels): of g, and of g (x - norm.mean). The pixels are those of g and a;
  /// `x_offsets` says where x has them.
  void (*mask_and_sum)(const InputNorm& norm, std::int64_t channels, const Pixels& pixels,
                       const std::int64_t* x_offsets, const float* x, const float* a, float* g,
                       double* sums);
  /// The deferred gradient dy for the `count` pixels that follow each other from
  /// pixel `first` on.
  void (*output_gradient)(const OutputGradient& from, std::int64_t channels, std::int64_t first,
                          std::int64_t count, float* dy);
};

/// The versions for active_instruction_set().
PixelPasses pixel_passes();

}  // namespace trifold::kernels::cpu
