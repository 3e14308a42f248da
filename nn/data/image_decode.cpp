#include <spng.h>
#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "kernels/error.h"
#include "nn/data/byte_reader.h"
#include "nn/data/image.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

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

Image empty_rgb(const fs::path& path, std::int64_t height, std::int64_t width) {
  require<FileError>(height >= 1 && width >= 1 && height <= most_pixels / width,
                     "{}: an image of {} x {} pixels is not accepted (at most {} pixels)",
                     path.string(), height, width, most_pixels);
  return {height, width, 3, Bytes(static_cast<std::size_t>(height * width * 3))};
}

Image decode_jpeg(const fs::path& path, const Bytes& file) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  require<Error>(decoder != nullptr, "TurboJPEG could not be started");
  const auto check = [&](int code) {
    require<FileError>(code == 0, "{}: the JPEG data is damaged ({})", path.string(),
                       tjGetErrorStr2(decoder.get()));
  };
  int width = 0, height = 0, subsampling = 0, colours = 0;
  const auto bytes = static_cast<unsigned long>(file.size());
  check(tjDecompressHeader3(decoder.get(), file.data(), bytes, &width, &height, &subsampling,
                            &colours));
  // A file of tables alone passes as a JPEG without a picture.
  require<FileError>(width > 0 && height > 0, "{}: the JPEG data is damaged (it holds no image)",
                     path.string());
  require<FileError>(colours != TJCS_CMYK && colours != TJCS_YCCK,
                     "{}: a CMYK JPEG is not accepted, convert it to RGB", path.string());
  Image image = empty_rgb(path, height, width);
  check(tjDecompress2(decoder.get(), file.data(), bytes, image.pixels.data(), width, 0, height,
                      TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS));
  return image;
}

Image decode_png(const fs::path& path, const Bytes& file) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> decoder(spng_ctx_new(0), spng_ctx_free);
  require<Error>(decoder != nullptr, "libspng could not be started");
  const auto check = [&](int code) {
    require<FileError>(code == 0, "{}: the PNG data is damaged ({})", path.string(),
                       spng_strerror(code));
  };
  constexpr std::size_t most_chunk_bytes = std::size_t{1} << 26;
  check(spng_set_chunk_limits(decoder.get(), most_chunk_bytes, most_chunk_bytes));
  check(spng_set_png_buffer(decoder.get(), file.data(), file.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(decoder.get(), &header));
  Image image = empty_rgb(path, header.height, header.width);
  check(
      spng_decode_image(decoder.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_RGB8, 0));
  check(spng_decode_chunks(decoder.get()));  // finds a file that is cut off after its pixels
  return image;
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

Image decode_image(const fs::path& path, std::int64_t channels) {
  require<ConfigError>(channels == 1 || channels == 3,
                       "images have 1 or 3 channels, {} cannot be had", channels);
  const Bytes file = read_file(path, most_file_bytes);
  const bool jpeg = starts_with(file, jpeg_start);
  require<FileError>(jpeg || starts_with(file, png_start),
                     "{}: it is neither a JPEG nor a PNG file", path.string());
  Image image = jpeg ? decode_jpeg(path, file) : decode_png(path, file);
  return channels == 1 ? to_grey(image) : image;
}

}  // namespace trifold::nn
