/// Random crops and flips, and the way from bytes to normalised floats.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"

namespace trifold::nn {

/// The usual augmentation of CIFAR: pad by `pad` zero pixels on each side, cut an image of the old
/// size out at a random place, then mirror it left to right in half of the cases. `pad` has to be
/// smaller than the image, so that every crop shows some of it.
struct Augmentation {
  std::int64_t pad = 4;
  bool flip = true;
};

/// What was drawn for one image: where the crop starts in the padded image, and whether it is
/// mirrored.
struct CropFlip {
  std::int64_t top = 0;
  std::int64_t left = 0;
  bool mirrored = false;
};

/// A pure function of (augmentation, seed, epoch, index): `index` is the image's index in its data
/// set, so the draw does not depend on batches, order or threads.
CropFlip draw_crop_flip(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index);

/// Turns bytes into normalised floats by a table of 256 entries a channel.
class PixelTable {
 public:
  /// Errors    ShapeError: not `channels` means and deviations. ConfigError: a deviation that is
  /// not
  ///           positive and finite.
  PixelTable(const Normalisation& normalisation, std::int64_t channels);

  /// out (count, channels) = (in / 255 - mean) / std.
  void convert(const std::uint8_t* in, std::int64_t count, float* out) const;

  /// The same from the last pixel to the first.
  void convert_mirrored(const std::uint8_t* in, std::int64_t count, float* out) const;

  /// out (count, channels) = (0 - mean) / std: black pixels.
  void fill_black(std::int64_t count, float* out) const;

 private:
  std::int64_t channels_;
  std::vector<float> table_;  // (channels, 256)
};

/// One image (height, width, channels), cropped, mirrored and normalised into `out` of the same
/// shape. `pad`, below height and width, is what `choice` was drawn for. Padding comes before
/// normalisation, as in torchvision's RandomCrop(padding) before ToTensor and Normalize: a padding
/// pixel is a black one, (0 - mean) / std.
void augment_image(const std::uint8_t* image, std::int64_t height, std::int64_t width,
                   std::int64_t channels, std::int64_t pad, const CropFlip& choice,
                   const PixelTable& table, float* out);

}  // namespace trifold::nn
