#include "nn/data/image.h"

#include <cmath>

#include "engine/random.h"
#include "tests/nn/data/image_support.h"

namespace trifold::nn {
namespace {

using testing::Bytes;
using testing::encode_jpeg;
using testing::encode_png;
using testing::expect_error;
using testing::gradient;
using testing::TempFolder;
using testing::write_bytes;

class DecodeImage : public ::testing::Test {
 protected:
  Image decode(const Bytes& bytes, std::int64_t channels = 3) {
    write_bytes(file_, bytes);
    return decode_image(file_, channels).image;
  }
  void expect_refused(const Bytes& bytes, const std::vector<std::string>& parts) {
    expect_error<FileError>([&] { decode(bytes); }, parts);
  }
  TempFolder folder_;
  std::filesystem::path file_ = folder_ / "picture";
};

TEST_F(DecodeImage, PngIsExactForEveryColourType) {
  const Image rgb = gradient(6, 9, 3);
  const Image decoded = decode(encode_png(rgb, SPNG_COLOR_TYPE_TRUECOLOR));
  EXPECT_EQ(decoded.height, 6);
  EXPECT_EQ(decoded.width, 9);
  EXPECT_EQ(decoded.pixels, rgb.pixels);

  const Image grey = gradient(6, 9, 1);
  EXPECT_EQ(decode(encode_png(grey, SPNG_COLOR_TYPE_GRAYSCALE), 1).pixels, grey.pixels);
  const Image tripled = decode(encode_png(grey, SPNG_COLOR_TYPE_GRAYSCALE));
  for (std::size_t i = 0; i < tripled.pixels.size(); ++i) {
    ASSERT_EQ(tripled.pixels[i], grey.pixels[i / 3]);
  }

  Image rgba{6, 9, 4, {}}, grey_alpha{6, 9, 2, {}}, deep{6, 9, 6, {}};
  for (std::size_t i = 0; i < 54; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      rgba.pixels.push_back(rgb.pixels[3 * i + c]);
      deep.pixels.push_back(0x7F);  // 16 bits, little-endian: the lower byte comes first
      deep.pixels.push_back(rgb.pixels[3 * i + c]);
    }
    rgba.pixels.push_back(static_cast<std::uint8_t>(i));
    grey_alpha.pixels.push_back(grey.pixels[i]);
    grey_alpha.pixels.push_back(static_cast<std::uint8_t>(i));
  }
  EXPECT_EQ(decode(encode_png(rgba, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA)).pixels, rgb.pixels);
  EXPECT_EQ(decode(encode_png(grey_alpha, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA), 1).pixels, grey.pixels);
  EXPECT_EQ(decode(encode_png(deep, SPNG_COLOR_TYPE_TRUECOLOR, 16)).pixels, rgb.pixels);

  const Image indexed{1, 3, 1, {1, 0, 1}};
  EXPECT_EQ(decode(encode_png(indexed, SPNG_COLOR_TYPE_INDEXED, 8, {1, 2, 3, 4, 5, 6})).pixels,
            (Bytes{4, 5, 6, 1, 2, 3, 4, 5, 6}));
}

TEST_F(DecodeImage, LumaIsTheStandardOne) {
  const Image image{1, 4, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}};
  EXPECT_EQ(decode(encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR), 1).pixels,
            (Bytes{76, 150, 29, 255}));
}

TEST_F(DecodeImage, JpegIsCloseToWhatWasWritten) {
  const Image rgb = gradient(33, 21, 3);
  const Image decoded = decode(encode_jpeg(rgb, JCS_RGB));
  ASSERT_EQ(decoded.pixels.size(), rgb.pixels.size());
  for (std::size_t i = 0; i < rgb.pixels.size(); ++i) {
    ASSERT_NEAR(decoded.pixels[i], rgb.pixels[i], 3) << i;
  }
  const Image grey = gradient(33, 21, 1);
  const Image decoded_grey = decode(encode_jpeg(grey, JCS_GRAYSCALE), 1);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
    ASSERT_NEAR(decoded_grey.pixels[i], grey.pixels[i], 2) << i;
  }
  EXPECT_EQ(decode(encode_jpeg(grey, JCS_GRAYSCALE)).channels, 3);
}

/// Of fewer cosines, a picture is about its mean over squares of pixels.
TEST_F(DecodeImage, AJpegIsDecodedSmallerOnRequest) {
  for (const std::int64_t channels : {1, 3}) {
    const Image whole = gradient(83, 57, channels);
    write_bytes(file_, encode_jpeg(whole, channels == 1 ? JCS_GRAYSCALE : JCS_RGB));
    for (const int shrink : {1, 2, 4, 8}) {
      const DecodedImage read =
          decode_image(file_, channels, true, [&](std::int64_t height, std::int64_t width) {
            EXPECT_EQ(height, 83);
            EXPECT_EQ(width, 57);
            return shrink;
          });
      EXPECT_EQ(read.shrink, shrink);
      EXPECT_EQ(read.height, 83);
      EXPECT_EQ(read.width, 57);
      ASSERT_EQ(read.image.height, (83 + shrink - 1) / shrink);
      ASSERT_EQ(read.image.width, (57 + shrink - 1) / shrink);
      ASSERT_EQ(std::ssize(read.image.pixels), read.image.height * read.image.width * channels);
      // The last row and column may stand for pixels beyond the edge.
      for (std::int64_t y = 0; y < 83 / shrink; ++y) {
        for (std::int64_t x = 0; x < 57 / shrink; ++x) {
          for (std::int64_t c = 0; c < channels; ++c) {
            double sum = 0;
            for (std::int64_t k = 0; k < shrink * shrink; ++k) {
              const std::int64_t row = y * shrink + k / shrink, column = x * shrink + k % shrink;
              sum += whole.pixels[static_cast<std::size_t>((row * 57 + column) * channels + c)];
            }
            const std::int64_t at = (y * read.image.width + x) * channels + c;
            ASSERT_NEAR(read.image.pixels[static_cast<std::size_t>(at)], sum / (shrink * shrink), 6)
                << shrink << " at " << y << ", " << x << ", " << c;
          }
        }
      }
    }
  }
}

TEST_F(DecodeImage, ASmallerPictureIsTurnedAsAWholeOneIs) {
  // A TIFF whose one entry says: turn clockwise.
  const Bytes exif{'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12,
                   0,   3,   0,   0,   0, 1, 0,   6,   0, 0,  0, 0, 0, 0, 0, 0, 0, 0};
  write_bytes(file_, encode_jpeg(gradient(80, 48, 3), JCS_RGB, {}, exif));
  for (const bool orient : {true, false}) {
    const DecodedImage read =
        decode_image(file_, 3, orient, [&](std::int64_t height, std::int64_t width) {
          EXPECT_EQ(height, orient ? 48 : 80);
          EXPECT_EQ(width, orient ? 80 : 48);
          return 4;
        });
    EXPECT_EQ(read.height, orient ? 48 : 80);
    EXPECT_EQ(read.width, orient ? 80 : 48);
    EXPECT_EQ(read.image.height, orient ? 12 : 20);
    EXPECT_EQ(read.image.width, orient ? 20 : 12);
    // Red grew downwards before it was turned.
    const int top_left = read.image.pixels[0];
    const int top_right = read.image.pixels[static_cast<std::size_t>(read.image.width - 1) * 3];
    EXPECT_EQ(top_left - top_right > 100, orient);
  }
}

TEST_F(DecodeImage, OnlyAWholeOrAJpegPictureIsSmaller) {
  write_bytes(file_, encode_png(gradient(40, 30, 3), SPNG_COLOR_TYPE_TRUECOLOR));
  const DecodedImage png = decode_image(file_, 3, true, [](auto...) { return 8; });
  EXPECT_EQ(png.shrink, 1);
  EXPECT_EQ(png.image.height, 40);
  EXPECT_EQ(png.height, 40);
  EXPECT_EQ(png.width, 30);
  // What is cut off is refused at any scale.
  const Bytes jpeg = encode_jpeg(gradient(40, 30, 3), JCS_RGB);
  for (std::size_t length = 3; length < jpeg.size() - 2; ++length) {
    write_bytes(file_, Bytes(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(length)));
    expect_error<FileError>([&] { decode_image(file_, 3, true, [](auto...) { return 4; }); },
                            {"JPEG data is damaged"});
  }
}

TEST_F(DecodeImage, RefusesDamagedFiles) {
  const Bytes png = encode_png(gradient(40, 30, 3), SPNG_COLOR_TYPE_TRUECOLOR);
  const Bytes jpeg = encode_jpeg(gradient(40, 30, 3), JCS_RGB);
  const auto first = [](const Bytes& bytes, std::size_t count) {
    return Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  };
  const auto file = file_.string();
  expect_refused({}, {file, "neither a JPEG nor a PNG"});
  expect_refused({'G', 'I', 'F', '8'}, {file, "neither a JPEG nor a PNG"});
  // Any cut is found, but for the checksum of the empty last chunk of a PNG (its last 4 bytes).
  for (std::size_t length = 8; length < png.size() - 4; ++length) {
    expect_refused(first(png, length), {file, "PNG data is damaged"});
  }
  // The end marker of a JPEG, its last 2 bytes, holds nothing of the picture.
  for (std::size_t length = 3; length < jpeg.size() - 2; ++length) {
    expect_refused(first(jpeg, length), {file, "JPEG data is damaged"});
  }
  Bytes flipped = png;
  flipped[png.size() / 2] ^= 1;
  expect_refused(flipped, {file, "PNG data is damaged"});
  expect_error<FileError>([&] { decode_image(folder_ / "absent", 3); }, {"absent", "no such file"});
  expect_error<ConfigError>([&] { decode(png, 2); }, {"1 or 3 channels"});
}

TEST_F(DecodeImage, ABadChecksumCostsOnlyAChunkThatThePictureCanSpare) {
  const Image image = gradient(4, 6, 3);
  Bytes bytes = encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR);
  const Bytes text{0, 0, 0, 3, 't', 'E', 'X', 't', 'a', 0, 'b', 1, 2, 3, 4};
  constexpr std::ptrdiff_t end_chunk_bytes = 12;
  bytes.insert(bytes.end() - end_chunk_bytes, text.begin(), text.end());
  EXPECT_EQ(decode(bytes).pixels, image.pixels);
}

TEST_F(DecodeImage, RefusesGiantImagesBeforeTakingMemory) {
  Bytes png = encode_png(gradient(1, 1, 3), SPNG_COLOR_TYPE_TRUECOLOR);
  for (const std::size_t at : {17, 21}) png[at] = 1;  // adds 2^16 to width and height
  // The header's checksum (bytes 29 to 32) covers type and fields (bytes 12 to 28).
  std::uint32_t sum = 0xFFFFFFFF;
  for (std::size_t i = 12; i < 29; ++i) {
    sum ^= png[i];
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (0xEDB88320U & (0U - (sum & 1)));
  }
  for (std::size_t i = 0; i < 4; ++i) png[29 + i] = static_cast<std::uint8_t>(~sum >> (24 - 8 * i));
  expect_refused(png, {file_.string(), "65537 x 65537"});

  Bytes jpeg = encode_jpeg(gradient(8, 8, 3), JCS_RGB);
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {  // the frame header: height and width at 5 ... 8
      for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = 0xF0;
      break;
    }
  }
  expect_refused(jpeg, {file_.string(), "61680 x 61680"});
}

TEST_F(DecodeImage, AnyDamageIsEitherRefusedOrHarmless) {
  engine::Random random(2);
  for (const Bytes& good : {encode_png(gradient(12, 9, 3), SPNG_COLOR_TYPE_TRUECOLOR),
                            encode_jpeg(gradient(12, 9, 3), JCS_RGB)}) {
    for (int trial = 0; trial < 300; ++trial) {
      Bytes bytes = good;
      bytes[static_cast<std::size_t>(random.uniform_int(std::ssize(bytes)))] ^=
          static_cast<std::uint8_t>(1 + random.uniform_int(255));
      try {
        decode(bytes);
      } catch (const FileError&) {
      }
    }
  }
}

/// Resize and crop in double, straight from the definition: every destination pixel is a weighted
/// mean over ALL source pixels, most of which weigh nothing.
std::vector<double> resize_reference(const Image& image, std::int64_t side) {
  const double h = static_cast<double>(image.height), w = static_cast<double>(image.width);
  const std::int64_t shorter = std::min(image.height, image.width);
  const std::int64_t dst_h = image.height * side / shorter, dst_w = image.width * side / shorter;
  const auto weight = [](double src, std::int64_t dst, std::int64_t i, std::int64_t t) {
    const double ratio = src / static_cast<double>(dst);
    const double s = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    return std::max(0.0, 1 - std::abs(static_cast<double>(t) - s) / std::max(1.0, ratio));
  };
  std::vector<double> result;
  for (std::int64_t i = 0; i < side; ++i) {
    for (std::int64_t j = 0; j < side; ++j) {
      for (std::int64_t c = 0; c < image.channels; ++c) {
        double sum = 0, total = 0;
        for (std::int64_t y = 0; y < image.height; ++y) {
          for (std::int64_t x = 0; x < image.width; ++x) {
            const double a = weight(h, dst_h, i + (dst_h - side) / 2, y) *
                             weight(w, dst_w, j + (dst_w - side) / 2, x);
            sum +=
                a *
                image.pixels[static_cast<std::size_t>((y * image.width + x) * image.channels + c)];
            total += a;
          }
        }
        result.push_back(sum / total);
      }
    }
  }
  return result;
}

TEST(ResizeAndCrop, MatchesTheDefinition) {
  engine::Random random(3);
  const std::int64_t cases[][4] = {{7, 7, 3, 7},   {20, 11, 3, 8}, {11, 20, 1, 8}, {5, 4, 3, 13},
                                   {1, 1, 3, 4},   {3, 40, 1, 2},  {40, 3, 2, 5},  {31, 37, 3, 1},
                                   {16, 16, 1, 8}, {9, 10, 3, 9}};
  for (const auto& [height, width, channels, side] : cases) {
    Image image{height, width, channels, {}};
    for (std::int64_t i = 0; i < height * width * channels; ++i) {
      image.pixels.push_back(static_cast<std::uint8_t>(random.next32()));
    }
    const Image resized = resize_and_crop(image, side);
    EXPECT_EQ(resized.height, side);
    EXPECT_EQ(resized.width, side);
    EXPECT_EQ(resized.channels, channels);
    const std::vector<double> expected = resize_reference(image, side);
    ASSERT_EQ(resized.pixels.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(resized.pixels[i], expected[i], 0.5 + 1e-3)
          << height << " x " << width << " to " << side << " at " << i;
    }
  }
}

/// A window resized in double, straight from the definition.
std::vector<double> window_reference(const Image& image, const Window& window, std::int64_t side) {
  const auto weights = [side](double begin, double extent, std::int64_t i) {
    const double ratio = extent / static_cast<double>(side);
    const double s = begin + (static_cast<double>(i) + 0.5) * ratio - 0.5;
    std::vector<double> all;
    double sum = 0;
    for (double t = 0; t < begin + extent; ++t) {
      const bool touched = t + 1 > begin;
      all.push_back(touched ? std::max(0.0, 1 - std::abs(t - s) / std::max(1.0, ratio)) : 0);
      sum += all.back();
    }
    for (double& weight : all) weight /= sum;
    return all;
  };
  std::vector<double> result;
  for (std::int64_t i = 0; i < side; ++i) {
    const std::vector<double> rows = weights(window.top, window.height, i);
    for (std::int64_t j = 0; j < side; ++j) {
      const std::vector<double> columns = weights(window.left, window.width, j);
      for (std::int64_t c = 0; c < image.channels; ++c) {
        double sum = 0;
        for (std::size_t y = 0; y < rows.size(); ++y) {
          for (std::size_t x = 0; x < columns.size(); ++x) {
            const std::size_t pixel = y * static_cast<std::size_t>(image.width) + x;
            sum += rows[y] * columns[x] *
                   image.pixels[pixel * static_cast<std::size_t>(image.channels) +
                                static_cast<std::size_t>(c)];
          }
        }
        result.push_back(sum);
      }
    }
  }
  return result;
}

TEST(ResizeWindow, MatchesTheDefinition) {
  engine::Random random(4);
  struct Case {
    std::int64_t height, width, channels;
    Window window;
    std::int64_t side;
  };
  const std::vector<Case> cases = {
      {20, 30, 3, {0, 0, 20, 30}, 7},
      {20, 30, 3, {3, 5, 11, 9}, 8},
      {20, 30, 1, {19, 29, 1, 1}, 5},
      {9, 9, 3, {2, 3, 4, 5}, 13},
      {17, 12, 3, {2.5, 1.25, 10.5, 7.75}, 6},
      {17, 12, 1, {0.5, 0.5, 16, 11}, 9},
      {40, 41, 3, {12.125, 0, 27.875, 41}, 4},
      {5, 6, 3, {1.25, 2.5, 0.5, 0.25}, 3},
      {1, 1, 3, {0, 0, 1, 1}, 4},
  };
  for (const Case& c : cases) {
    Image image{c.height, c.width, c.channels, {}};
    for (std::int64_t i = 0; i < c.height * c.width * c.channels; ++i) {
      image.pixels.push_back(static_cast<std::uint8_t>(random.next32()));
    }
    const Image resized = resize_window(image, c.window, c.side);
    EXPECT_EQ(resized.height, c.side);
    EXPECT_EQ(resized.width, c.side);
    EXPECT_EQ(resized.channels, c.channels);
    const std::vector<double> expected = window_reference(image, c.window, c.side);
    ASSERT_EQ(resized.pixels.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(resized.pixels[i], expected[i], 0.5 + 1e-3)
          << c.window.top << ", " << c.window.left << " to " << c.side << " at " << i;
    }
  }
}

TEST(ResizeWindow, RefusesWhatIsNotThere) {
  const Image image = gradient(8, 9, 3);
  const auto refused = [&](const Window& window) {
    expect_error<ShapeError>([&] { resize_window(image, window, 4); },
                             {"does not lie in", "8 x 9"});
  };
  refused({-0.5, 0, 4, 4});
  refused({0, -1, 4, 4});
  refused({4.5, 0, 4, 4});
  refused({0, 5, 4, 4.5});
  refused({0, 0, 0, 4});
  refused({0, 0, 4, -1});
  expect_error<ConfigError>([&] { resize_window(image, {0, 0, 4, 4}, 0); }, {"0 pixels"});
  expect_error<ShapeError>([&] { resize_window(Image{}, {0, 0, 1, 1}, 4); }, {"0 x 0 x 0"});
}

TEST(ResizeAndCrop, KeepsASquareOfTheRightSizeAndConstantImages) {
  const Image image = gradient(17, 17, 3);
  EXPECT_EQ(resize_and_crop(image, 17).pixels, image.pixels);
  const Image white{300, 200, 1, Bytes(60000, 255)};
  EXPECT_EQ(resize_and_crop(white, 64).pixels, Bytes(64 * 64, 255));
  expect_error<ConfigError>([&] { resize_and_crop(image, 0); }, {"0 pixels"});
  expect_error<ShapeError>([&] { resize_and_crop(Image{}, 4); }, {"0 x 0 x 0"});
}

}  // namespace
}  // namespace trifold::nn
