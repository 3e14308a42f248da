/// One image in memory: decoding and resizing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace trifold::nn {

struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, channels)
};

/// How many times smaller a picture of height x width pixels, upright where it is to be, may be made
/// as it is decoded: 1, 2, 4 or 8.
using ChooseShrink = std::function<int(std::int64_t height, std::int64_t width)>;

struct DecodedImage {
  Image image;
  std::string warning;  ///< what is wrong with the file although its picture is whole; else empty
  std::int64_t height = 0;  ///< of the picture; the image has ceil(height / shrink)
  std::int64_t width = 0;   ///< likewise
  int shrink = 1;
};

/// Decodes a JPEG or PNG file, recognised by its first bytes, to `channels` = 3 (red, green, blue)
/// or 1 (luma = 0.299 R + 0.587 G + 0.114 B). Grey becomes colour by repetition; palettes are
/// looked up; an alpha channel is left out; 16-bit samples keep their upper byte. With `orient` the
/// picture is turned as the camera's note in its EXIF data says (JPEG, and PNG's eXIf), which is how
/// viewers show it; without, it is as stored. CMYK and YCCK are read as Pillow and browsers do: as
/// Adobe stores them, inverted, without a colour profile.
///
/// What libjpeg reads in spite of damage (stray bytes, a missing end marker, bad codes) is taken as
/// libjpeg gives it, with its first warning. A file that is cut off before its picture is complete
/// is refused, as Pillow does: libjpeg would make the rest up.
///
/// A JPEG is made smaller by `shrink`, if there is any: from fewer of its cosines, so that pixel i is
/// about the mean of pixels shrink i to shrink (i + 1) - 1 of the picture as it is stored, and takes
/// less time. A PNG never is.
/// Errors    FileError: neither JPEG nor PNG, damaged beyond that or cut off, above 2^27 pixels, or
///           a file above 1 GiB. ConfigError: `channels` is neither 1 nor 3.
DecodedImage decode_image(const std::filesystem::path& path, std::int64_t channels,
                          bool orient = true, const ChooseShrink& shrink = {});

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

/// A part of an image, in pixels. Its edges may lie within pixels.
struct Window {
  double top = 0, left = 0, height = 0, width = 0;
};

/// Cuts a window out and resizes it to side x side by the filter of resize_and_crop, with s(i) =
/// begin + (i + 0.5) * extent / side - 0.5 along each axis of the window; only pixels that the window
/// touches count.
/// Numerics  as resize_and_crop.
/// Errors    ConfigError: `side` < 1. ShapeError: an empty image, or a window that is empty or not
///           inside.
/// Source    for a window of whole pixels, torchvision's resized_crop (antialias=True).
Image resize_window(const Image& image, const Window& window, std::int64_t side);

}  // namespace trifold::nn
