/// Random crops and flips, and the normalisation of bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/augment.h"
#include "nn/data/normalisation.h"

namespace trifold::nn {

/// The usual augmentation of CIFAR: pad by `pad` zero pixels on each side, cut an image of the old
/// size out at a random place, then mirror it left to right in half of the cases. `pad` has to be
/// smaller than the image, so that every crop shows some of it. Padding comes before normalisation,
/// as in torchvision's RandomCrop(padding) before ToTensor and Normalize: a padding pixel is a black
/// one, (0 - mean) / std.
struct Augmentation {
  std::int64_t pad = 4;
  bool flip = true;
};

/// What kernels::augment shows of one image. A pure function of (augmentation, seed, epoch, index):
/// `index` is the image's index in its data set, so the draw does not depend on batches, order or
/// threads.
kernels::Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index);

/// (channels, 256): (v / 255 - mean) / std of each byte v, for kernels::augment.
/// Errors    ShapeError: not `channels` means and deviations. ConfigError: a deviation that is not
///           positive and finite.
std::vector<float> pixel_table(const Normalisation& normalisation, std::int64_t channels);

}  // namespace trifold::nn
