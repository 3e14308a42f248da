#include <spng.h>

#include <memory>

#include "kernels/runtime/error.h"
#include "nn/data/image_format.h"

namespace trifold::nn {

StoredImage decode_png(const std::filesystem::path& path, const std::vector<std::uint8_t>& file) {
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> decoder(spng_ctx_new(0), spng_ctx_free);
  require<Error>(decoder != nullptr, "libspng could not be started");
  const auto check = [&](int code) {
    require<FileError>(code == 0, "{}: the PNG data is damaged ({})", path.string(),
                       spng_strerror(code));
  };
  constexpr std::size_t most_chunk_bytes = std::size_t{1} << 26;
  check(spng_set_chunk_limits(decoder.get(), most_chunk_bytes, most_chunk_bytes));
  // Damage to a chunk that the picture does not need costs that chunk alone.
  check(spng_set_crc_action(decoder.get(), SPNG_CRC_ERROR, SPNG_CRC_DISCARD));
  check(spng_set_png_buffer(decoder.get(), file.data(), file.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(decoder.get(), &header));
  check_extents(path, header.height, header.width);
  StoredImage stored;
  stored.image = empty_rgb(header.height, header.width);
  stored.height = header.height;
  stored.width = header.width;
  std::vector<std::uint8_t>& pixels = stored.image.pixels;
  check(spng_decode_image(decoder.get(), pixels.data(), pixels.size(), SPNG_FMT_RGB8, 0));
  check(spng_decode_chunks(decoder.get()));  // finds a file that is cut off after its pixels
  spng_exif exif{};
  if (spng_get_exif(decoder.get(), &exif) == 0) {
    stored.exif = {'E', 'x', 'i', 'f', 0, 0};
    stored.exif.insert(stored.exif.end(), exif.data, exif.data + exif.length);
  }
  return stored;
}

}  // namespace trifold::nn
