/// Writers of PNG and JPEG files for tests.
#pragma once

#include <spng.h>
#include <turbojpeg.h>

#include "nn/data/image.h"
#include "tests/nn/data_support.h"

namespace trifold::nn::testing {

/// `colour` is a SPNG_COLOR_TYPE; `image.pixels` hold its raw samples. A palette goes with
/// SPNG_COLOR_TYPE_INDEXED.
inline Bytes encode_png(const Image& image, std::uint8_t colour, std::uint8_t bits = 8,
                        const Bytes& palette = {}) {
  spng_ctx* encoder = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_set_option(encoder, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.height = static_cast<std::uint32_t>(image.height);
  header.width = static_cast<std::uint32_t>(image.width);
  header.color_type = colour;
  header.bit_depth = bits;
  EXPECT_EQ(spng_set_ihdr(encoder, &header), 0);
  if (!palette.empty()) {
    spng_plte entries{};
    entries.n_entries = static_cast<std::uint32_t>(palette.size() / 3);
    for (std::size_t i = 0; i < palette.size() / 3; ++i) {
      entries.entries[i] = {palette[3 * i], palette[3 * i + 1], palette[3 * i + 2], 255};
    }
    EXPECT_EQ(spng_set_plte(encoder, &entries), 0);
  }
  EXPECT_EQ(spng_encode_image(encoder, image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG,
                              SPNG_ENCODE_FINALIZE),
            0);
  std::size_t size = 0;
  int error = 0;
  auto* data = static_cast<std::uint8_t*>(spng_get_png_buffer(encoder, &size, &error));
  EXPECT_EQ(error, 0);
  const Bytes bytes(data, data + size);
  std::free(data);
  spng_ctx_free(encoder);
  return bytes;
}

/// `format` is a TJPF. Quality 100 without chroma subsampling.
inline Bytes encode_jpeg(const Image& image, int format) {
  const int subsampling = format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444;
  tjhandle encoder = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(encoder, image.pixels.data(), static_cast<int>(image.width), 0,
                        static_cast<int>(image.height), format, &data, &size, subsampling, 100,
                        TJFLAG_ACCURATEDCT),
            0);
  const Bytes bytes(data, data + size);
  tjFree(data);
  tjDestroy(encoder);
  return bytes;
}

/// A smooth picture that differs from channel to channel, so that JPEG keeps it well.
inline Image gradient(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image{height, width, channels, {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t value = c == 0 ? y * 255 / height : c == 1 ? x * 255 / width : 90 * c;
        image.pixels.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return image;
}

}  // namespace trifold::nn::testing
