/// Random changes of an image's colours.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace trifold::nn {

/// How far from 1 the factors may lie that an image's colours are changed by: each is uniform on
/// [max(0, 1 - x), 1 + x]. 0 changes nothing.
struct ColorJitter {
  float brightness = 0, contrast = 0, saturation = 0;

  bool changes() const { return brightness > 0 || contrast > 0 || saturation > 0; }
  bool operator==(const ColorJitter&) const = default;
};

/// What is changed in one image: the three in this order, each by its factor.
struct ColorChange {
  enum class Kind { brightness, contrast, saturation };
  struct Step {
    Kind kind;
    float factor;
  };
  std::array<Step, 3> steps;
};

/// The change that an epoch makes to an image; the order is random, too. A pure function of its
/// arguments, as draw_crop's.
ColorChange draw_color_change(const ColorJitter& jitter, std::uint64_t seed, std::int64_t epoch,
                              std::int64_t index);

/// Changes an image's pixels, each of `channels` (1 or 3) bytes. Every step is
///   v = f v + (1 - f) b,
/// cut to [0, 255] and to whole numbers, with b = 0 for the brightness, the pixel's own grey for the
/// saturation, and the mean grey of the image for the contrast. Grey is 0.2989 r + 0.587 g + 0.114 b,
/// cut to whole numbers; an image of one channel is grey.
/// Numerics  in float32; the mean is of whole numbers and exact before it is rounded.
/// Source    torchvision's ColorJitter of tensors of bytes, without its hue.
void change_colors(const ColorChange& change, std::span<std::uint8_t> pixels,
                   std::int64_t channels);

}  // namespace trifold::nn
