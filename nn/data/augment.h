/// Random crops and flips, and the normalisation of bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/augment.h"
#include "nn/data/color_jitter.h"
#include "nn/data/image.h"
#include "nn/data/normalisation.h"

namespace trifold::nn {

/// The usual augmentation of CIFAR: pad by `pad` zero pixels on each side, cut an image of the old
/// size out at a random place, then mirror it left to right in half of the cases. `pad` has to be
/// smaller than the image, so that every crop shows some of it. Padding comes before normalisation,
/// as in torchvision's RandomCrop(padding) before ToTensor and Normalize: a padding pixel is a black
/// one, (0 - mean) / std.
///
/// With `resized`, that of larger images instead: a window of random area and aspect ratio is cut out
/// of the image as its file stores it, brought to the side (draw_window), and then mirrored; `pad`
/// counts for nothing.
///
/// Colours are changed behind the window and before the padding, which stays black.
struct Augmentation {
  std::int64_t pad = 4;
  bool flip = true;
  bool resized = false;  ///< For streamed data sets: others hold no images of the files' sizes.
  ColorJitter color = {};
};

/// What kernels::augment shows of one image. A pure function of (augmentation, seed, epoch, index):
/// `index` is the image's index in its data set, so the draw does not depend on batches, order or
/// threads.
kernels::Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::int64_t epoch,
                        std::int64_t index);

/// The window that an epoch shows of an image of height x width pixels. Up to ten times, an area of
/// 0.08 to 1 of the image's and an aspect ratio of 3/4 to 4/3, uniform in its logarithm, are drawn;
/// the first window of such an extent, rounded to whole pixels, that the image can hold is put at a
/// random place. Where none is, it is the largest central window whose aspect ratio is within these.
/// A pure function of its arguments, as draw_crop's.
/// Numerics  the last bits before rounding depend on the C library's exp and log.
/// Source    torchvision's RandomResizedCrop with its default scale and ratio; the crop of C. Szegedy
///           et al., "Going deeper with convolutions", CVPR 2015, section 6.
Window draw_window(std::uint64_t seed, std::int64_t epoch, std::int64_t index, std::int64_t height,
                   std::int64_t width);

/// (channels, 256): (v / 255 - mean) / std of each byte v, for kernels::augment.
/// Errors    ShapeError: not `channels` means and deviations. ConfigError: a deviation that is not
///           positive and finite.
std::vector<float> pixel_table(const Normalisation& normalisation, std::int64_t channels);

}  // namespace trifold::nn
