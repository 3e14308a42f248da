/// The decoders behind decode_image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "nn/data/image.h"

namespace trifold::nn {

/// A picture as its file stores it.
struct StoredImage {
  Image image;  ///< red, green, blue
  std::string warning;
  std::vector<std::uint8_t> exif;  ///< "Exif", two zero bytes, TIFF; empty where there is none
  std::int64_t height = 0;         ///< of the picture, which the image may show smaller
  std::int64_t width = 0;
  int shrink = 1;
};

/// As ChooseShrink, but of the extents and the EXIF data of the picture as its file stores it.
using ChooseStoredShrink =
    std::function<int(std::int64_t height, std::int64_t width, const std::vector<std::uint8_t>&)>;

/// `file` holds the bytes of the file `path`, which errors name. Errors: decode_image's.
StoredImage decode_jpeg(const std::filesystem::path& path, const std::vector<std::uint8_t>& file,
                        const ChooseStoredShrink& shrink);
StoredImage decode_png(const std::filesystem::path& path, const std::vector<std::uint8_t>& file);

/// Errors    FileError: an extent < 1, or more than 2^27 pixels.
void check_extents(const std::filesystem::path& path, std::int64_t height, std::int64_t width);

/// A black image to decode into.
Image empty_rgb(std::int64_t height, std::int64_t width);

}  // namespace trifold::nn
