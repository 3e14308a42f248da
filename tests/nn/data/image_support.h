/// Writers of PNG and JPEG files for tests.
#pragma once

#include <spng.h>

#include <algorithm>
#include <cstdio>
#include <functional>

// After <cstdio>, whose FILE it takes for granted.
#include <jpeglib.h>

#include "nn/data/image.h"
#include "tests/nn/data/support.h"

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

/// Quality 100 without chroma subsampling. `setup` may change what libjpeg is about to do; `exif`
/// becomes an APP1 marker.
inline Bytes encode_jpeg(const Image& image, J_COLOR_SPACE space,
                         const std::function<void(jpeg_compress_struct&)>& setup = {},
                         const Bytes& exif = {}) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct encoder{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &data, &size);
  encoder.image_width = static_cast<JDIMENSION>(image.width);
  encoder.image_height = static_cast<JDIMENSION>(image.height);
  encoder.input_components = static_cast<int>(image.channels);
  encoder.in_color_space = space;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 100, TRUE);
  encoder.comp_info[0].h_samp_factor = encoder.comp_info[0].v_samp_factor = 1;
  if (setup) setup(encoder);
  jpeg_start_compress(&encoder, TRUE);
  if (!exif.empty()) {
    jpeg_write_marker(&encoder, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
  }
  Bytes row(static_cast<std::size_t>(image.width * image.channels));
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.pixels.begin() + y * std::ssize(row), std::ssize(row), row.begin());
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&encoder, &rows, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  const Bytes bytes(data, data + size);
  std::free(data);
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
