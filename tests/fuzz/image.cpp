/// A picture: JPEG or PNG, with what its EXIF data says of it.
#include "nn/data/image.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  for (const std::int64_t channels : {1, 3}) {
    fuzz::expect_sentence([&] {
      const nn::Image image = nn::decode_image(file.path(), channels).image;
      if (image.height * image.width < 1 << 20) nn::resize_and_crop(image, 8);
    });
  }
  return 0;
}
