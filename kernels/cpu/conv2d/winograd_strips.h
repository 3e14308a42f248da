/// How Winograd's algorithm cuts images into strips of tiles, and where their transforms lie.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/conv2d/panels.h"
#include "kernels/cpu/conv2d/winograd_transforms.h"

namespace trifold::kernels::cpu {

/// Channels that are worked together, so that a cache block's matrices stay in a level 2 cache:
/// those of 16 tiles are 144 KiB.
constexpr std::int64_t kWinogradChannels = 64;

/// Transformed weights of more floats than this, 4 MiB, are more than a level 2 cache holds.
constexpr std::int64_t kWinogradWideFloats = 1 << 20;

/// The strips of all images in row order: each is a row of tiles, or an even part of a long one.
class WinogradStrips {
 public:
  explicit WinogradStrips(const Correlation& s);

  std::int64_t count() const { return s_.n * image_strips_; }
  /// Of one strip.
  std::int64_t tiles() const { return tiles_; }

  /// The patches that the tiles of a strip read, and the outputs of another array, laid out as y
  /// but contiguous, that they stand for.
  StripInput patches(std::int64_t strip, const float* x, std::int64_t pitch) const;
  StripInput gradients(std::int64_t strip, const float* dy) const;
  /// What they write.
  StripOutput outputs(std::int64_t strip, const float* bias, const float* addend, bool relu,
                      float* y) const;

  /// Strips that one thread works together in its level 2 cache, where a tile takes `tile_floats` a
  /// component: up to `most_tiles`, which fill the register tiles and pay for meeting all weights,
  /// and, where there are few, small enough to share. By the shape alone.
  std::int64_t cache_block(std::int64_t tile_floats, std::int64_t most_tiles) const;
  /// Strips that all threads work together in a level 3 cache, component by component.
  std::int64_t shared_block(std::int64_t tile_floats) const;

 private:
  /// A strip's first output.
  struct Place {
    std::int64_t image, row, column;
  };
  Place place(std::int64_t strip) const;

  Correlation s_;
  std::int64_t tiles_, parts_, image_strips_;
};

/// The rows of some strips' columns, a vector of channels after the other.
struct StripRows {
  float* at;
  std::int64_t strips, columns, lanes;

  std::int64_t row() const { return columns * lanes; }
  std::int64_t floats(std::int64_t vectors) const {
    return vectors * strips * winograd_patch * row();
  }
  float* operator()(std::int64_t vector, std::int64_t strip, std::int64_t i = 0) const {
    return at + ((vector * strips + strip) * winograd_patch + i) * row();
  }
};

/// Matrices of some components, each a vector of channels after the other, tiles within them.
struct StripComponents {
  float* at;
  std::int64_t tiles, vectors, lanes;

  std::int64_t vector() const { return tiles * lanes; }
  /// An odd number of cache lines, so that a tile's components spread over the sets of a cache.
  std::int64_t component() const { return odd_lines(vectors * vector()); }
  std::int64_t floats(std::int64_t components) const { return components * component(); }
  float* operator()(std::int64_t index, std::int64_t vector_index, std::int64_t tile = 0) const {
    return at + index * component() + vector_index * vector() + tile * lanes;
  }
};

struct TileRange {
  std::int64_t begin, end;
};

/// The columns of some strips' patches: the vectors of h of the `channels` from c on, of all `all`.
void transform_patch_columns(const WinogradTransforms& transforms,
                             std::span<const StripInput> patches, const InputNorm* norm,
                             std::int64_t c, std::int64_t channels, std::int64_t all,
                             const StripRows& h);

/// Row i of as many strips of `tiles` each: six components v of `vectors` vectors.
void transform_patch_rows(const WinogradTransforms& transforms, const StripRows& h, std::int64_t i,
                          std::int64_t strips, std::int64_t tiles, std::int64_t vectors,
                          const StripComponents& v);

/// sums (channels, padded filters) = v^T z of one component, over some tiles, added to sums if
/// `add`.
void multiply_components(const RegisterTiles& tiles, const Panels& panels, const StripComponents& v,
                         const StripComponents& z, std::int64_t component, const TileRange& range,
                         std::int64_t channels, bool add, float* sums);

/// dw (3,3,c,k) from the sum of `parts` transformed gradients: 36 matrices of c rows of the panels'
/// padded filters each, the parts following each other.
void finish_weight_gradient(const Exec& ex, const WinogradTransforms& transforms,
                            const Correlation& s, const float* sums, std::int64_t parts, float* dw);

}  // namespace trifold::kernels::cpu
