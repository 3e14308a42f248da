/// The decoders behind decode_image.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nn/data/image.h"

namespace trifold::nn {

/// A picture as its file stores it.
struct StoredImage {
  Image image;  ///< red, green, blue
  std::string warning;
  std::vector<std::uint8_t> exif;  ///< "Exif", two zero bytes, TIFF; empty where there is none
};

/// `file` holds the bytes of the file `path`, which errors name. Errors: decode_image's.
StoredImage decode_jpeg(const std::filesystem::path& path, const std::vector<std::uint8_t>& file);
StoredImage decode_png(const std::filesystem::path& path, const std::vector<std::uint8_t>& file);

/// A black image to decode into.
/// Errors    FileError: an extent < 1, or more than 2^27 pixels.
Image empty_rgb(const std::filesystem::path& path, std::int64_t height, std::int64_t width);

}  // namespace trifold::nn
