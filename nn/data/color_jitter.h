/// Random changes of an image's colours.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace trifold::nn {

/// How far from 1 the factors may lie that an image's colours are changed by: each is uniform on
/// [max(0, 1 - x), 1 + x]. The hue, at most 0.5, is the most of a full turn around the colour wheel
/// that they may be turned by: uniform on [-hue, hue]. 0 changes nothing.
struct ColorJitter {
  float brightness = 0, contrast = 0, saturation = 0, hue = 0;

  bool changes() const { return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0; }
  /// Brightness, contrast and saturation, and the hue where it changes, as records hold them.
  std::vector<float> numbers() const {
    std::vector<float> all = {brightness, contrast, saturation};
    if (hue > 0) all.push_back(hue);
    return all;
  }
  bool operator==(const ColorJitter&) const = default;
};

/// What is changed in one image, in this order: each by its factor, the hue by its share of a full
/// turn.
struct ColorChange {
  enum class Kind { brightness, contrast, saturation, hue };
  struct Step {
    Kind kind = Kind::brightness;
    float amount = 1;

    bool changes() const { return amount != (kind == Kind::hue ? 0.0f : 1.0f); }
  };
  std::array<Step, 4> steps;
};

/// The change that an epoch makes to an image; the order is random, too. A pure function of its
/// arguments, as draw_crop's. How the first three are drawn doesn't depend on the hue.
ColorChange draw_color_change(const ColorJitter& jitter, std::uint64_t seed, std::int64_t epoch,
                              std::int64_t index);

/// Changes an image's pixels, each of `channels` (1 or 3) bytes. Every step but the hue's is
///   v = f v + (1 - f) b,
/// cut to [0, 255] and to whole numbers, with b = 0 for the brightness, the pixel's own grey for the
/// saturation, and the mean grey of the image for the contrast. Grey is 0.2989 r + 0.587 g + 0.114 b,
/// cut to whole numbers; an image of one channel is grey.
/// The hue's step adds its share of a turn to h of the pixel's (h, s, v) in the hexcone, with v / 255
/// for the colours, and cuts 255.999 times the result to whole numbers; grey has no hue.
/// Numerics  in float32; the mean is of whole numbers and exact before it is rounded.
/// Source    torchvision's ColorJitter of tensors of bytes; the hexcone of A. R. Smith, "Color gamut
///           transform pairs", SIGGRAPH 1978.
void change_colors(const ColorChange& change, std::span<std::uint8_t> pixels,
                   std::int64_t channels);

}  // namespace trifold::nn
