/// A picture: JPEG or PNG, with what its EXIF data says of it.
#include "nn/data/image.h"

#include <zlib.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"

namespace {

constexpr std::string_view png_start = "\x89PNG\r\n\x1a\n";

// Makes the checksums of all chunks right: those behind the first wrong one wouldn't be met.
void mend_checksums(std::string& png) {
  const auto number = [&png](std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(png[at + i]);
    return value;
  };
  constexpr std::size_t frame = 12;  // the length, the kind and the checksum
  for (std::size_t at = png_start.size(); at + frame <= png.size();) {
    const std::size_t length = number(at);
    if (length > png.size() - at - frame) return;
    const auto* const kind = reinterpret_cast<const Bytef*>(png.data() + at + 4);
    const uLong sum = crc32(0, kind, static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      png[at + 8 + length + i] = static_cast<char>(sum >> (24 - 8 * i));
    }
    at += frame + length;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  using namespace trifold::fuzz;
  std::string bytes = mutated(std::string(text_of(data, size)));
  if (bytes.starts_with(png_start) && seed % 8 != 0) mend_checksums(bytes);
  return replace_input(data, size, max_size, bytes);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  for (const std::int64_t channels : {1, 3}) {
    fuzz::expect_sentence([&] {
      const nn::Image image = nn::decode_image(file.path(), channels).image;
      if (image.height * image.width < 1 << 20) nn::resize_and_crop(image, 8);
    });
    fuzz::expect_sentence(
        [&] { nn::decode_image(file.path(), channels, true, [](auto...) { return 4; }); });
  }
  return 0;
}
