#include <algorithm>
#include <string_view>
#include <utility>

#include "kernels/runtime/error.h"
#include "nn/data/byte_reader.h"
#include "nn/data/exif.h"
#include "nn/data/image_format.h"

namespace trifold::nn {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::int64_t most_file_bytes = std::int64_t{1} << 30;
constexpr std::int64_t most_pixels = std::int64_t{1} << 27;
constexpr std::string_view jpeg_start = "\xFF\xD8\xFF";
constexpr std::string_view png_start = "\x89PNG\r\n\x1A\n";

bool starts_with(const Bytes& file, std::string_view start) {
  return file.size() >= start.size() &&
         std::equal(start.begin(), start.end(), file.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// Luma in 16-bit fixed point, rounded.
Image to_grey(const Image& rgb) {
  Image grey{rgb.height, rgb.width, 1, {}};
  grey.pixels.reserve(rgb.pixels.size() / 3);
  for (std::size_t i = 0; i < rgb.pixels.size(); i += 3) {
    const int luma = 19595 * rgb.pixels[i] + 38470 * rgb.pixels[i + 1] + 7471 * rgb.pixels[i + 2];
    grey.pixels.push_back(static_cast<std::uint8_t>((luma + (1 << 15)) >> 16));
  }
  return grey;
}

}  // namespace

void check_extents(const std::filesystem::path& path, std::int64_t height, std::int64_t width) {
  require<FileError>(height >= 1 && width >= 1 && height <= most_pixels / width,
                     "{}: an image of {} x {} pixels is not accepted (at most {} pixels)",
                     path.string(), height, width, most_pixels);
}

Image empty_rgb(std::int64_t height, std::int64_t width) {
  return {height, width, 3, Bytes(static_cast<std::size_t>(height * width * 3))};
}

DecodedImage decode_image(const std::filesystem::path& path, std::int64_t channels, bool orient,
                          const ChooseShrink& shrink) {
  require<ConfigError>(channels == 1 || channels == 3,
                       "images have 1 or 3 channels, {} cannot be had", channels);
  const Bytes file = read_file(path, most_file_bytes);
  const bool jpeg = starts_with(file, jpeg_start);
  require<FileError>(jpeg || starts_with(file, png_start),
                     "{}: it is neither a JPEG nor a PNG file", path.string());
  const auto orientation = [&](const Bytes& exif) {
    return orient && !exif.empty() ? exif_orientation(exif) : 1;
  };
  const ChooseStoredShrink of_stored = [&](std::int64_t height, std::int64_t width,
                                           const Bytes& exif) {
    if (transposes(orientation(exif))) std::swap(height, width);
    return shrink ? shrink(height, width) : 1;
  };
  StoredImage stored = jpeg ? decode_jpeg(path, file, of_stored) : decode_png(path, file);
  Image image = channels == 1 ? to_grey(stored.image) : std::move(stored.image);
  const int turned = orientation(stored.exif);
  if (transposes(turned)) std::swap(stored.height, stored.width);
  return {upright(std::move(image), turned), std::move(stored.warning), stored.height, stored.width,
          stored.shrink};
}

}  // namespace trifold::nn
