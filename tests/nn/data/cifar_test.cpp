#include "nn/data/cifar.h"

#include "nn/data/normalisation.h"
#include "tests/nn/data/support.h"

namespace trifold::nn {
namespace {

using testing::Bytes;
using testing::expect_error;
using testing::TempFolder;
using testing::write_bytes;

constexpr std::int64_t no_limit = std::int64_t{1} << 40;

std::uint8_t pixel(std::int64_t record, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>(record * 31 + c * 101 + y * 32 + x);
}

/// Records with the given label bytes in front and the pixels above in planes.
Bytes records(const std::vector<Bytes>& label_bytes) {
  Bytes bytes;
  for (std::int64_t r = 0; r < std::ssize(label_bytes); ++r) {
    const Bytes& labels = label_bytes[static_cast<std::size_t>(r)];
    bytes.insert(bytes.end(), labels.begin(), labels.end());
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t y = 0; y < 32; ++y) {
        for (std::int64_t x = 0; x < 32; ++x) bytes.push_back(pixel(r, c, y, x));
      }
    }
  }
  return bytes;
}

void write_cifar10(const TempFolder& folder) {
  for (std::uint8_t i = 1; i <= 5; ++i) {
    write_bytes(folder / ("data_batch_" + std::to_string(i) + ".bin"), records({{i}, {9}}));
  }
  write_bytes(folder / "test_batch.bin", records({{0}, {3}, {2}}));
}

void expect_pixels(const Dataset& dataset, std::int64_t image, std::int64_t record) {
  for (std::int64_t y = 0; y < 32; ++y) {
    for (std::int64_t x = 0; x < 32; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        ASSERT_EQ(dataset.image(image)[(y * 32 + x) * 3 + c], pixel(record, c, y, x));
      }
    }
  }
}

TEST(Cifar10, ReadsRecordsInOrderAndChannelsLast) {
  const TempFolder folder;
  write_cifar10(folder);
  const DataSplits splits = load_cifar10(folder.path(), no_limit);
  check(splits.train);
  check(splits.test);
  EXPECT_EQ(splits.train.labels, (std::vector<std::int32_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9}));
  EXPECT_EQ(splits.test.labels, (std::vector<std::int32_t>{0, 3, 2}));
  EXPECT_EQ(splits.train.class_names[9], "truck");
  for (std::int64_t i = 0; i < 10; ++i) expect_pixels(splits.train, i, i % 2);
  expect_pixels(splits.test, 2, 2);
}

TEST(Cifar10, TakesClassNamesFromTheFolder) {
  const TempFolder folder;
  write_cifar10(folder);
  const std::string names = "a\r\nb\nc\nd\ne\nf\ng\nh\ni\n\nlast one \n\n";
  write_bytes(folder / "batches.meta.txt", Bytes(names.begin(), names.end()));
  const Dataset test = load_cifar10(folder.path(), no_limit).test;
  EXPECT_EQ(test.class_names.front(), "a");
  EXPECT_EQ(test.class_names.back(), "last one");
  write_bytes(folder / "batches.meta.txt", {'a', '\n'});
  expect_error<FileError>([&] { load_cifar10(folder.path(), no_limit); },
                          {"batches.meta.txt", "1 class names", "10 classes"});
}

TEST(Cifar10, RefusesDamagedFilesAndNamesThePlace) {
  const TempFolder folder;
  const auto load = [&] { load_cifar10(folder.path(), no_limit); };
  expect_error<FileError>(load, {"data_batch_1.bin", "no such file"});
  write_cifar10(folder);
  EXPECT_NO_THROW(load());

  Bytes bytes = records({{1}, {2}});
  bytes.pop_back();
  write_bytes(folder / "data_batch_4.bin", bytes);
  expect_error<FileError>(load, {"data_batch_4.bin", "6145 bytes", "3073"});
  write_bytes(folder / "data_batch_4.bin", {});
  expect_error<FileError>(load, {"data_batch_4.bin", "0 bytes"});
  write_bytes(folder / "data_batch_4.bin", records({{1}, {10}}));
  expect_error<FileError>(load, {"data_batch_4.bin", "record 1", "byte 3073", "label 10"});
  std::filesystem::remove(folder / "data_batch_4.bin");
  std::filesystem::create_directory(folder / "data_batch_4.bin");
  expect_error<FileError>(load, {"data_batch_4.bin", "not a regular file"});
}

TEST(Cifar10, RefusesClassNamesThatAreNotUtf8) {
  const TempFolder folder;
  write_cifar10(folder);
  const std::string names = "a\nb\nc\nd\ncaf\xe9\nf\ng\nh\ni\nj\n";
  write_bytes(folder / "batches.meta.txt", Bytes(names.begin(), names.end()));
  expect_error<FileError>([&] { load_cifar10(folder.path(), no_limit); },
                          {"batches.meta.txt", "'caf\\xe9'", "UTF-8"});
}

TEST(Cifar10, ReadsOnlyTheWantedSplit) {
  const TempFolder folder;
  write_cifar10(folder);
  write_bytes(folder / "data_batch_4.bin", {1});
  std::filesystem::remove(folder / "data_batch_5.bin");
  const DataSplits test = load_cifar10(folder.path(), 3 * 3072, Splits::test);
  check(test.test);
  EXPECT_EQ(test.test.count, 3);
  EXPECT_EQ(test.train.count, 0);

  write_cifar10(folder);
  std::filesystem::remove(folder / "test_batch.bin");
  const DataSplits train = load_cifar10(folder.path(), 10 * 3072, Splits::train);
  check(train.train);
  EXPECT_EQ(train.train.count, 10);
  EXPECT_EQ(train.test.count, 0);
}

TEST(Cifar10, RefusesMoreThanTheMemoryLimit) {
  const TempFolder folder;
  write_cifar10(folder);
  EXPECT_NO_THROW(load_cifar10(folder.path(), 13 * 3072));
  expect_error<ConfigError>([&] { load_cifar10(folder.path(), 13 * 3072 - 1); },
                            {folder.path().string(), "limit"});
}

TEST(Cifar100, ReadsFineLabels) {
  const TempFolder folder;
  write_bytes(folder / "train.bin", records({{19, 99}, {0, 7}}));
  write_bytes(folder / "test.bin", records({{3, 50}}));
  const DataSplits splits = load_cifar100(folder.path(), no_limit);
  check(splits.train);
  EXPECT_EQ(splits.train.labels, (std::vector<std::int32_t>{99, 7}));
  EXPECT_EQ(splits.test.labels, (std::vector<std::int32_t>{50}));
  EXPECT_TRUE(splits.train.class_names.empty());
  EXPECT_EQ(splits.train.classes, 100);
  expect_pixels(splits.train, 1, 1);

  write_bytes(folder / "test.bin", records({{3, 50}, {3, 100}}));
  expect_error<FileError>([&] { load_cifar100(folder.path(), no_limit); },
                          {"test.bin", "record 1", "byte 3075", "label 100"});
  write_bytes(folder / "test.bin", records({{20, 50}}));
  expect_error<FileError>([&] { load_cifar100(folder.path(), no_limit); },
                          {"test.bin", "record 0", "label 20"});
  write_bytes(folder / "test.bin", records({{3}}));  // a record of CIFAR-10
  expect_error<FileError>([&] { load_cifar100(folder.path(), no_limit); }, {"test.bin", "3074"});
}

TEST(Cifar10, RealImagesHaveTheKnownMeans) {
  const std::filesystem::path folder = testing::shared_folder() / "cifar-10-batches-bin";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "CIFAR-10 is not on this machine";
  const DataSplits splits = load_cifar10(folder, no_limit);
  EXPECT_EQ(splits.train.count, 50000);
  EXPECT_EQ(splits.test.count, 10000);
  for (std::int32_t k = 0; k < 10; ++k) {
    EXPECT_EQ(std::count(splits.train.labels.begin(), splits.train.labels.end(), k), 5000);
    EXPECT_EQ(std::count(splits.test.labels.begin(), splits.test.labels.end(), k), 1000);
  }
  const Normalisation normalisation = measure_normalisation(splits.train);
  const std::vector<float> mean{0.4914F, 0.4822F, 0.4465F}, std{0.2470F, 0.2435F, 0.2616F};
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(normalisation.mean[c], mean[c], 5.1e-5);
    EXPECT_NEAR(normalisation.std[c], std[c], 5.1e-5);
  }
  const Dataset held_out = split_held_out(splits.train, 5000, 1).held_out;
  for (std::int32_t k = 0; k < 10; ++k) {
    EXPECT_EQ(std::count(held_out.labels.begin(), held_out.labels.end(), k), 500);
  }
}

}  // namespace
}  // namespace trifold::nn
