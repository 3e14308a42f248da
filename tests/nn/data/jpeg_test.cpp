#include <fstream>
#include <iterator>

#include "nn/data/image.h"
#include "tests/nn/data/image_support.h"

namespace trifold::nn {
namespace {

using testing::Bytes;
using testing::encode_jpeg;
using testing::expect_error;
using testing::gradient;
using testing::TempFolder;
using testing::write_bytes;

std::filesystem::path pictures() { return std::filesystem::path(TRIFOLD_FIXTURES) / "pictures"; }

/// A binary PPM of 8 bits, as Pillow writes it.
Image read_ppm(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string kind;
  int most = 0;
  Image image{0, 0, 3, {}};
  stream >> kind >> image.width >> image.height >> most;
  stream.get();
  EXPECT_EQ(kind, "P6") << path;
  EXPECT_EQ(most, 255) << path;
  image.pixels.assign(std::istreambuf_iterator<char>(stream), {});
  EXPECT_EQ(std::ssize(image.pixels), image.height * image.width * 3) << path;
  return image;
}

class LikePillow : public ::testing::TestWithParam<const char*> {};

TEST_P(LikePillow, ToTheLastDigit) {
  const Image expected = read_ppm(pictures() / (std::string(GetParam()) + ".ppm"));
  const Image decoded = decode_image(pictures() / GetParam(), 3).image;
  EXPECT_EQ(decoded.height, expected.height);
  EXPECT_EQ(decoded.width, expected.width);
  EXPECT_EQ(decoded.pixels, expected.pixels);
}

INSTANTIATE_TEST_SUITE_P(Pictures, LikePillow,
                         ::testing::Values("grey.jpg", "colour.jpg", "progressive.jpg",
                                           "extraneous.jpg", "no-end.jpg", "damaged.jpg",
                                           "cmyk-adobe.jpg", "cmyk-plain.jpg", "ycck-adobe.jpg",
                                           "orientation-1.jpg", "orientation-2.jpg",
                                           "orientation-3.jpg", "orientation-4.jpg",
                                           "orientation-5.jpg", "orientation-6.jpg",
                                           "orientation-7.jpg", "orientation-8.jpg",
                                           "orientation-6.png", "orientation-7.png"));

TEST(Orientation, IsLeftOutOnRequest) {
  const Image upright = decode_image(pictures() / "orientation-1.jpg", 3).image;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const auto file = pictures() / fmt::format("orientation-{}.jpg", orientation);
    EXPECT_EQ(decode_image(file, 3, /*orient=*/false).image.pixels, upright.pixels);
  }
}

TEST(Warnings, TellWhatIsWrongAndOnlyThen) {
  const auto warning = [](const char* name) { return decode_image(pictures() / name, 3).warning; };
  EXPECT_EQ(warning("colour.jpg"), "");
  EXPECT_EQ(warning("progressive.jpg"), "");
  EXPECT_EQ(warning("ycck-adobe.jpg"), "");
  EXPECT_EQ(warning("orientation-6.png"), "");
  EXPECT_NE(warning("extraneous.jpg").find("extraneous bytes before marker 0xd9"),
            std::string::npos);
  EXPECT_NE(warning("no-end.jpg").find("Premature end"), std::string::npos);
  EXPECT_NE(warning("damaged.jpg").find("Corrupt JPEG data"), std::string::npos);
}

class DecodeJpeg : public ::testing::Test {
 protected:
  DecodedImage decode(const Bytes& bytes) {
    write_bytes(file_, bytes);
    return decode_image(file_, 3);
  }
  /// `end` bytes fewer at the end: 2 for the end marker.
  static Bytes cut(const Bytes& bytes, std::size_t end) {
    return {bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(end)};
  }
  TempFolder folder_;
  std::filesystem::path file_ = folder_ / "picture";
};

/// Every way of laying a picture out; each is whole without its end marker, and not with less.
TEST_F(DecodeJpeg, OnlyTheEndMarkerMayBeMissing) {
  static const jpeg_scan_info one_component_a_scan[] = {
      {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  const std::function<void(jpeg_compress_struct&)> layouts[] = {
      [](jpeg_compress_struct&) {},
      [](jpeg_compress_struct& encoder) { encoder.restart_interval = 2; },
      [](jpeg_compress_struct& encoder) { jpeg_simple_progression(&encoder); },
      [](jpeg_compress_struct& encoder) {
        encoder.scan_info = one_component_a_scan;
        encoder.num_scans = 3;
      }};
  for (const auto& layout : layouts) {
    const Bytes whole = encode_jpeg(gradient(16, 24, 3), JCS_RGB, layout);
    const DecodedImage expected = decode(whole);
    EXPECT_EQ(expected.warning, "");
    for (const std::size_t end : {1, 2}) {
      const DecodedImage decoded = decode(cut(whole, end));
      EXPECT_EQ(decoded.image.pixels, expected.image.pixels);
      EXPECT_NE(decoded.warning, "");
    }
    for (std::size_t end = 3; end < whole.size() - 3; ++end) {
      expect_error<FileError>([&] { decode(cut(whole, end)); }, {file_.string(), "damaged"});
    }
  }
}

TEST_F(DecodeJpeg, WhatFollowsThePictureIsNoFailure) {
  const Bytes whole = encode_jpeg(gradient(8, 8, 3), JCS_RGB);
  const Image expected = decode(whole).image;
  Bytes pair = whole;  // as in files of several pictures
  pair.insert(pair.end(), whole.begin(), whole.end());
  EXPECT_EQ(decode(pair).image.pixels, expected.pixels);
  EXPECT_EQ(decode(pair).warning, "");
  Bytes glued = cut(whole, 2);  // a second picture begins where the end marker should be
  glued.insert(glued.end(), whole.begin(), whole.end());
  EXPECT_EQ(decode(glued).image.pixels, expected.pixels);
  EXPECT_NE(decode(glued).warning, "");
}

TEST_F(DecodeJpeg, RefusesEndlessScans) {
  Bytes bytes = encode_jpeg(gradient(8, 8, 3), JCS_RGB, [](jpeg_compress_struct& encoder) {
    jpeg_simple_progression(&encoder);
  });
  Bytes scan(bytes.end() - 2, bytes.end());  // the last scan header to the end marker
  std::size_t start = bytes.size();
  while (!(bytes[start - 2] == 0xFF && bytes[start - 1] == 0xDA)) --start;
  const Bytes last_scan(bytes.begin() + static_cast<std::ptrdiff_t>(start - 2), bytes.end() - 2);
  bytes.erase(bytes.end() - 2, bytes.end());
  for (int i = 0; i < 600; ++i) bytes.insert(bytes.end(), last_scan.begin(), last_scan.end());
  bytes.insert(bytes.end(), scan.begin(), scan.end());
  expect_error<FileError>([&] { decode(bytes); }, {file_.string(), "more than 500 scans"});
}

TEST_F(DecodeJpeg, YcckAndCmykMeanTheSameInks) {
  Image inks = gradient(8, 8, 4);
  const auto to_ycck = [](jpeg_compress_struct& encoder) {
    jpeg_set_colorspace(&encoder, JCS_YCCK);
    encoder.comp_info[0].h_samp_factor = encoder.comp_info[0].v_samp_factor = 1;
    encoder.comp_info[3].h_samp_factor = encoder.comp_info[3].v_samp_factor = 1;
  };
  const Image cmyk = decode(encode_jpeg(inks, JCS_CMYK)).image;
  const Image ycck = decode(encode_jpeg(inks, JCS_CMYK, to_ycck)).image;
  ASSERT_EQ(cmyk.pixels.size(), ycck.pixels.size());
  for (std::size_t i = 0; i < cmyk.pixels.size(); ++i) {
    ASSERT_NEAR(cmyk.pixels[i], ycck.pixels[i], 4) << i;
    const double colour = inks.pixels[i / 3 * 4 + i % 3], light = inks.pixels[i / 3 * 4 + 3];
    ASSERT_NEAR(cmyk.pixels[i], colour * light / 255, 4) << i;  // inverted: 255 is no ink
  }
}

/// "Exif", two zero bytes and a TIFF with one entry.
Bytes exif(bool big_endian, std::uint16_t tag, std::uint16_t type, std::uint32_t count,
           std::uint16_t value) {
  Bytes bytes{'E', 'x', 'i', 'f', 0, 0};
  const auto append = [&](std::uint32_t number, int size) {
    for (int i = 0; i < size; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(number >> 8 * (big_endian ? size - 1 - i : i)));
    }
  };
  append(big_endian ? 0x4D4D : 0x4949, 2);
  append(42, 2);
  append(8, 4);  // where the entries begin
  append(1, 2);
  append(tag, 2);
  append(type, 2);
  append(count, 4);
  append(value, 2);
  append(0, 2);
  append(0, 4);
  return bytes;
}

TEST_F(DecodeJpeg, DamagedExifIsIgnored) {
  constexpr std::uint16_t orientation = 0x0112, type_short = 3, type_ascii = 2;
  const Image image = gradient(8, 16, 3);
  const Image stored = decode(encode_jpeg(image, JCS_RGB)).image;
  const auto with = [&](const Bytes& data) {
    return decode(encode_jpeg(image, JCS_RGB, {}, data)).image;
  };
  for (const bool big_endian : {false, true}) {
    const Bytes good = exif(big_endian, orientation, type_short, 1, 6);
    EXPECT_EQ(with(good).height, 16);
    for (std::size_t length = 1; length < 6 + 8 + 2 + 12; ++length) {
      EXPECT_EQ(
          with(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))).pixels,
          stored.pixels)
          << length;
    }
    for (const std::uint16_t value : {0, 9, 256, 65535}) {
      EXPECT_EQ(with(exif(big_endian, orientation, type_short, 1, value)).pixels, stored.pixels);
    }
    EXPECT_EQ(with(exif(big_endian, orientation, type_ascii, 1, 6)).pixels, stored.pixels);
    EXPECT_EQ(with(exif(big_endian, orientation, type_short, 0xFFFFFFFF, 6)).pixels, stored.pixels);
    EXPECT_EQ(with(exif(big_endian, orientation + 1, type_short, 1, 6)).pixels, stored.pixels);
    Bytes far = good;  // the entries begin beyond the end
    for (std::size_t i = 10; i < 14; ++i) far[i] = 0x7F;
    EXPECT_EQ(with(far).pixels, stored.pixels);
  }
}

TEST_F(DecodeJpeg, GreyPicturesAreTurnedToo) {
  write_bytes(file_,
              encode_jpeg(gradient(8, 16, 1), JCS_GRAYSCALE, {}, exif(true, 0x0112, 3, 1, 8)));
  const Image grey = decode_image(file_, 1).image;
  EXPECT_EQ(grey.height, 16);
  EXPECT_EQ(grey.width, 8);
  EXPECT_EQ(grey.channels, 1);
}

}  // namespace
}  // namespace trifold::nn
