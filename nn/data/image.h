/// One image in memory: decoding and resizing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace trifold::nn {

struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, channels)
};

/// Decodes a JPEG or PNG file, recognised by its first bytes, to `channels` = 3 (red, green, blue)
/// or 1 (luma = 0.299 R + 0.587 G + 0.114 B). Grey becomes colour by repetition; palettes are
/// looked up; an alpha channel is left out; 16-bit samples keep their upper byte; the orientation
/// note of a camera is not applied.
/// Errors    FileError: neither JPEG nor PNG, damaged or cut off (warnings of the JPEG decoder
///           count), CMYK, above 2^27 pixels, or a file above 1 GiB. ConfigError: `channels` is
///           neither 1 nor 3.
Image decode_image(const std::filesystem::path& path, std::int64_t channels);

/// Resizes the shorter side to `side`, the longer one in proportion (rounded down), and cuts the
/// central side x side square out (an odd surplus leaves the smaller half before it).
///
/// Each axis in turn is sampled at s(i) = (i + 0.5) * src / dst - 0.5 with the triangle filter
/// max(0, 1 - |t - s(i)| / k), k = max(1, src / dst), normalised to sum 1 over the pixels inside:
/// bilinear when enlarging, anti-aliased when reducing.
/// Numerics  in float between the two passes, rounded to the nearest byte at the end.
/// Errors    ConfigError: `side` < 1. ShapeError: an empty image.
/// Source    the rule of PyTorch's interpolate(mode='bilinear', antialias=True).
Image resize_and_crop(const Image& image, std::int64_t side);

}  // namespace trifold::nn
