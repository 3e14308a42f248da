#include "nn/data/idx.h"

#include <zlib.h>

#include "engine/random.h"
#include "tests/nn/data/support.h"

namespace trifold::nn {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::TempFolder;
using testing::write_bytes;

constexpr std::int64_t no_limit = std::int64_t{1} << 40;

/// Magic number, extents, then bytes that count up.
Bytes idx(std::uint32_t magic, const std::vector<std::uint32_t>& extents, Bytes data) {
  Bytes bytes;
  const auto append = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  };
  append(magic);
  for (const std::uint32_t extent : extents) append(extent);
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

Bytes counting(std::size_t size, int start = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 3 + i / 256 + static_cast<std::size_t>(start));
  return bytes;
}

Bytes gzip(const Bytes& plain) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes packed(deflateBound(&stream, plain.size()) + 32);
  Bytes input = plain;
  stream.next_in = input.data();
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

const Bytes train_images = idx(0x803, {4, 3, 5}, counting(60));
const Bytes train_labels = idx(0x801, {4}, {0, 2, 1, 2});
const Bytes test_images = idx(0x803, {2, 3, 5}, counting(30, 100));
const Bytes test_labels = idx(0x801, {2}, {1, 0});

void write_good(const TempFolder& folder) {
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzip(train_images));
  write_bytes(folder / "train-labels-idx1-ubyte", train_labels);
  write_bytes(folder / "t10k-images-idx3-ubyte", test_images);
  write_bytes(folder / "t10k-labels-idx1-ubyte.gz", gzip(test_labels));
}

TEST(Idx, ReadsPlainAndCompressedFiles) {
  const TempFolder folder;
  write_good(folder);
  const DataSplits splits = load_idx(folder.path(), "digits", {}, no_limit);
  check(splits.train);
  check(splits.test);
  EXPECT_EQ(splits.train.name, "digits");
  EXPECT_EQ(splits.train.pixels, counting(60));
  EXPECT_EQ(splits.train.labels, (std::vector<std::int32_t>{0, 2, 1, 2}));
  EXPECT_TRUE(splits.train.class_names.empty());
  EXPECT_EQ(splits.train.classes, 3);
  EXPECT_EQ(splits.test.pixels, counting(30, 100));
  EXPECT_EQ(splits.test.labels, (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(splits.test.classes, 3);
  EXPECT_EQ(splits.test.height, 3);
  EXPECT_EQ(splits.test.width, 5);
}

/// Writes good files, replaces one, and expects a FileError that holds `parts`.
void expect_refused(const std::string& file, const Bytes& bytes,
                    const std::vector<std::string>& parts,
                    const std::vector<std::string>& class_names = {}) {
  const TempFolder folder;
  write_good(folder);
  std::filesystem::remove(folder / "train-images-idx3-ubyte.gz");
  write_bytes(folder / "train-images-idx3-ubyte", train_images);
  if (file.ends_with(".gz")) std::filesystem::remove(folder / file.substr(0, file.size() - 3));
  write_bytes(folder / file, bytes);
  expect_error<FileError>([&] { load_idx(folder.path(), "digits", class_names, no_limit); }, parts);
}

TEST(Idx, RefusesWrongHeaders) {
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte";
  expect_refused(images, idx(0x801, {60}, counting(60)), {images, "0x00000801", "0x00000803"});
  expect_refused(images, idx(0xD03, {4, 3, 5}, counting(60)), {images, "0x00000d03"});
  expect_refused(labels, train_images, {labels, "0x00000803", "0x00000801"});
  expect_refused(images, {0, 0}, {images, "ends at byte 2"});
  expect_refused(images, idx(0x803, {4, 3}, {}), {images, "ends at byte 12"});
  expect_refused(images, idx(0x803, {4, 0, 5}, {}), {images, "extent of 0"});
  const std::uint32_t huge = 0xFFFFFFFF;
  expect_refused(images, idx(0x803, {huge, huge, huge}, counting(60)), {images, "promises more"});
  expect_refused(images + ".gz", gzip(idx(0x803, {huge, huge, huge}, counting(60))),
                 {images, "promises more"});
}

TEST(Idx, RefusesWrongLengths) {
  const std::string images = "train-images-idx3-ubyte";
  Bytes bytes = train_images;
  bytes.push_back(0);
  expect_refused(images, bytes, {images, "1 bytes too many"});
  expect_refused(images + ".gz", gzip(bytes), {images, "goes on after byte 76"});
  bytes.resize(bytes.size() - 2);
  expect_refused(images, bytes, {images, "ends at byte 75", "1 more"});
  expect_refused(images + ".gz", gzip(bytes), {images, "ends at byte 75", "1 more"});
}

TEST(Idx, RefusesDamagedGzip) {
  const std::string images = "train-images-idx3-ubyte.gz";
  const Bytes good = gzip(train_images);
  for (std::size_t length = 2; length < good.size(); ++length) {
    expect_refused(images, Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)),
                   {images, "cut off"});
  }
  Bytes trailing = good;
  trailing.insert(trailing.end(), {0, 'x'});
  expect_refused(images, trailing, {images, "after the end of the gzip data"});
  Bytes wrong_sum = good;
  wrong_sum[good.size() - 8] ^= 1;
  expect_refused(images, wrong_sum, {images, "damaged"});
}

TEST(Idx, ACompressedBombStopsAtTheSizeOfItsHeader) {
  Bytes bomb = train_images;
  bomb.resize(64 << 20);
  expect_refused("train-images-idx3-ubyte.gz", gzip(bomb), {"goes on after byte 76"});
}

TEST(Idx, RefusesFilesThatDoNotGoTogether) {
  expect_refused("train-labels-idx1-ubyte", idx(0x801, {3}, {0, 1, 2}),
                 {"train-labels-idx1-ubyte", "3 labels", "4 images"});
  expect_refused("t10k-images-idx3-ubyte", idx(0x803, {2, 5, 3}, counting(30)), {"3 x 5", "5 x 3"});
  expect_refused("t10k-labels-idx1-ubyte", idx(0x801, {2}, {1, 3}),
                 {"test", "image 1", "3", "3 classes"});
  expect_refused("train-labels-idx1-ubyte", idx(0x801, {4}, {0, 1, 2, 9}),
                 {"train", "image 3", "is 9", "3 classes"}, {"a", "b", "c"});
}

TEST(Idx, ReadsEverySpellingOfTheNames) {
  for (const std::string separator : {"-", "."}) {
    for (const std::string ending : {"", ".gz"}) {
      for (const std::string test : {"t10k", "test"}) {
        const TempFolder folder;
        const auto write = [&](const std::string& prefix, const std::string& type,
                               const Bytes& bytes) {
          write_bytes(folder / (prefix + separator + type + ending),
                      ending.empty() ? bytes : gzip(bytes));
        };
        write("train-images", "idx3-ubyte", train_images);
        write("train-labels", "idx1-ubyte", train_labels);
        write(test + "-images", "idx3-ubyte", test_images);
        write(test + "-labels", "idx1-ubyte", test_labels);
        const DataSplits splits = load_idx(folder.path(), "digits", {}, no_limit);
        EXPECT_EQ(splits.train.pixels, counting(60));
        EXPECT_EQ(splits.test.pixels, counting(30, 100));
      }
    }
  }
}

TEST(Idx, AFolderOfAFilesNameIsNotThatFile) {
  const TempFolder folder;
  write_good(folder);
  std::filesystem::create_directories(folder / "train-images-idx3-ubyte");
  EXPECT_EQ(load_idx(folder.path(), "digits", {}, no_limit).train.count, 4);
}

TEST(Idx, ReadsGzipOfSeveralMembersAndWithPadding) {
  const auto part = [](std::size_t begin, std::size_t end) {
    return gzip(Bytes(train_images.begin() + static_cast<std::ptrdiff_t>(begin),
                      train_images.begin() + static_cast<std::ptrdiff_t>(end)));
  };
  const auto joined = [](const std::vector<Bytes>& parts) {
    Bytes all;
    for (const Bytes& bytes : parts) all.insert(all.end(), bytes.begin(), bytes.end());
    return all;
  };
  const Bytes padding(100000, 0);  // more than is read at a time
  for (const Bytes& packed :
       {joined({part(0, 20), part(20, 76)}), joined({part(0, 3), part(3, 3), part(3, 76)}),
        joined({gzip(train_images), padding}),
        joined({part(0, 20), {0, 0, 0}, part(20, 76), {0}})}) {
    const TempFolder folder;
    write_good(folder);
    write_bytes(folder / "train-images-idx3-ubyte.gz", packed);
    EXPECT_EQ(load_idx(folder.path(), "digits", {}, no_limit).train.pixels, counting(60));
  }
  const std::string images = "train-images-idx3-ubyte.gz";
  expect_refused(images, joined({part(0, 20), padding}), {images, "ends at byte 20", "56 more"});
  expect_refused(images, joined({gzip(train_images), gzip({7})}),
                 {images, "goes on after byte 76"});
  expect_refused(images, joined({gzip(train_images), {'x'}}), {images, "after the end"});
  const Bytes second = part(20, 76);
  expect_refused(images, joined({part(0, 20), Bytes(second.begin(), second.end() - 1)}),
                 {images, "cut off"});
}

TEST(Idx, ReadsOnlyTheWantedSplit) {
  const TempFolder folder;
  write_good(folder);
  write_bytes(folder / "train-images-idx3-ubyte.gz", {1});
  std::filesystem::remove(folder / "train-labels-idx1-ubyte");
  const DataSplits test = load_idx(folder.path(), "digits", {}, 30, Splits::test);
  check(test.test);
  EXPECT_EQ(test.test.pixels, counting(30, 100));
  EXPECT_EQ(test.test.classes, 2);
  EXPECT_EQ(test.train.count, 0);

  write_good(folder);
  write_bytes(folder / "t10k-images-idx3-ubyte", {1});
  std::filesystem::remove(folder / "t10k-labels-idx1-ubyte.gz");
  const DataSplits train = load_idx(folder.path(), "digits", {}, 60, Splits::train);
  check(train.train);
  EXPECT_EQ(train.train.pixels, counting(60));
  EXPECT_EQ(train.test.count, 0);
}

TEST(Idx, RefusesMissingFilesAndTooMuchMemory) {
  const TempFolder folder;
  const auto load = [&](std::int64_t limit) {
    return [&folder, limit] { load_idx(folder.path(), "digits", {}, limit); };
  };
  expect_error<FileError>(load(no_limit), {"train-images-idx3-ubyte", "train-images.idx3", ".gz"});
  write_good(folder);
  EXPECT_NO_THROW(load(90)());
  expect_error<ConfigError>(load(89), {"t10k-images-idx3-ubyte", "limit"});
}

TEST(Idx, AnyDamageIsEitherRefusedOrHarmless) {
  const TempFolder folder;
  write_good(folder);
  engine::Random random(1);
  for (const Bytes& good : {train_images, gzip(train_images)}) {
    for (int trial = 0; trial < 300; ++trial) {
      Bytes bytes = good;
      for (std::int64_t hits = 1 + random.uniform_int(3); hits > 0; --hits) {
        bytes[static_cast<std::size_t>(random.uniform_int(std::ssize(bytes)))] ^=
            static_cast<std::uint8_t>(1 + random.uniform_int(255));
      }
      write_bytes(folder / "train-images-idx3-ubyte.gz", bytes);
      try {
        check(load_idx(folder.path(), "digits", {}, no_limit).train);
      } catch (const FileError&) {
      }
    }
  }
}

}  // namespace
}  // namespace trifold::nn
