#include "nn/data/source.h"

#include <set>

#include "nn/data/image_folder.h"
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

constexpr std::int64_t no_limit = std::int64_t{1} << 40;

Bytes flat_png(std::uint8_t value) {
  return encode_png({12, 16, 1, Bytes(12 * 16, value)}, SPNG_COLOR_TYPE_GRAYSCALE);
}

/// Two classes, three training images, two test images, each of one grey.
void write_images(const TempFolder& folder, const std::string& test = "test") {
  write_bytes(folder / "train/dog/b.PNG", flat_png(20));
  write_bytes(folder / "train/dog/a.png", flat_png(10));
  write_bytes(folder / "train/cat/x.jpeg", encode_jpeg({9, 8, 1, Bytes(72, 30)}, JCS_GRAYSCALE));
  write_bytes(folder / "train/cat/notes.txt", {'n', 'o'});
  write_bytes(folder / (test + "/dog/z.JPG"), encode_jpeg({8, 8, 1, Bytes(64, 40)}, JCS_GRAYSCALE));
  write_bytes(folder / (test + "/cat/y.png"), flat_png(50));
}

TEST(ImageFolder, SortsClassesAndFilesAndResizes) {
  const TempFolder folder;
  write_images(folder);
  const DataSplits splits = load_image_folder(folder.path(), {.side = 6, .threads = 2}, no_limit);
  check(splits.train);
  check(splits.test);
  EXPECT_EQ(splits.train.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(splits.train.labels, (std::vector<std::int32_t>{0, 1, 1}));
  EXPECT_EQ(splits.test.labels, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(splits.train.name, folder.path().filename().string());
  EXPECT_EQ(splits.train.height, 6);
  EXPECT_EQ(splits.train.width, 6);
  EXPECT_EQ(splits.train.channels, 3);
  const std::vector<std::uint8_t> greys{30, 10, 20};
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t b = 0; b < splits.train.image_bytes(); ++b) {
      ASSERT_EQ(splits.train.image(i)[b], greys[static_cast<std::size_t>(i)]);
    }
  }
  EXPECT_EQ(splits.test.image(0)[0], 50);
  EXPECT_EQ(splits.test.image(1)[0], 40);
}

TEST(ImageFolder, TakesValWhereThereIsNoTestAndGreyOnRequest) {
  const TempFolder folder;
  write_images(folder, "val");
  const DataSplits splits =
      load_image_folder(folder.path(), {.side = 4, .channels = 1, .threads = 1}, no_limit);
  check(splits.test);
  EXPECT_EQ(splits.test.channels, 1);
  EXPECT_EQ(splits.test.count, 2);
}

TEST(ImageFolder, RefusesFoldersOfTheWrongShape) {
  const TempFolder folder;
  const auto load = [&] { load_image_folder(folder.path(), {.side = 6, .threads = 1}, no_limit); };
  expect_error<FileError>(load, {"train", "no such folder"});
  std::filesystem::create_directories(folder / "train");
  expect_error<FileError>(load, {"train", "no class folders"});
  write_images(folder);
  EXPECT_NO_THROW(load());
  std::filesystem::create_directories(folder / "train/empty");
  expect_error<FileError>(load, {"train/empty", "no .jpg, .jpeg or .png"});
  std::filesystem::remove(folder / "train/empty");
  write_bytes(folder / "test/cow/y.png", flat_png(1));
  expect_error<FileError>(load, {"test", "'cow'", "2 training classes"});
  std::filesystem::remove_all(folder / "test/cow");
  write_bytes(folder / "train/dog/c.png", {1, 2, 3});
  expect_error<FileError>(load, {"train/dog/c.png", "neither a JPEG nor a PNG"});
  std::filesystem::remove_all(folder / "test");
  expect_error<FileError>(load, {"val", "no such folder"});
}

TEST(ImageFolder, RefusesUnusableOptions) {
  const TempFolder folder;
  write_images(folder);
  const auto load = [&](ImageFolderOptions options, std::int64_t limit) {
    return [&folder, options, limit] { load_image_folder(folder.path(), options, limit); };
  };
  expect_error<ConfigError>(load({.side = 0}, no_limit), {"side", "not 0"});
  expect_error<ConfigError>(load({.side = 20000}, no_limit), {"side", "not 20000"});
  expect_error<ConfigError>(load({.side = 6, .channels = 4}, no_limit), {"1 or 3", "4"});
  EXPECT_NO_THROW(load({.side = 6}, 5 * 108)());
  expect_error<ConfigError>(load({.side = 6}, 5 * 108 - 1), {folder.path().string(), "limit"});
}

TEST(LoadData, RefusesUnknownNamesAndMissingFolders) {
  const auto load = [](const std::string& source) { return [source] { load_data(source); }; };
  for (const std::string source : {"mnist", "", "imagenet:/x", "/some/folder", "fashion-mnist:x"}) {
    expect_error<ConfigError>(
        load(source), {"'" + source + "'", "fashion-mnist (", "cifar10:DIR (", "folder:DIR ("});
  }
  expect_error<ConfigError>(load("cifar10"), {"names no folder", "cifar10:DIR"});
  expect_error<ConfigError>(load("idx:"), {"names no folder", "idx:DIR"});
  expect_error<FileError>(load("cifar100:/no/such"), {"/no/such", "no such folder"});
}

TEST(LoadData, FindsEveryFormatByItsName) {
  const TempFolder folder;
  std::set<std::string> names;
  for (const DataFormat& format : data_formats()) {
    EXPECT_TRUE(names.insert(format.name).second) << format.name << " stands there twice";
    EXPECT_NE(describe_data_formats().find(format.name + (format.takes_folder ? ":DIR (" : " (")),
              std::string::npos);
    if (!format.takes_folder) {
      EXPECT_EQ(&data_format(format.name), &format);
      continue;
    }
    const std::string source = format.name + ":" + folder.path().string();
    EXPECT_EQ(&data_format(source), &format);
    expect_error<FileError>([&] { load_data(source); }, {folder.path().string()});
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"cifar10", "cifar100", "fashion-mnist", "folder", "idx"}));
}

TEST(LoadData, MirrorsWhatStaysItself) {
  EXPECT_FALSE(data_format("idx:digits").mirror);
  EXPECT_TRUE(data_format("fashion-mnist").mirror);
  EXPECT_TRUE(data_format("folder:photos").mirror);
}

TEST(LoadData, TakesItsOptionsToTheFormat) {
  const TempFolder folder;
  write_images(folder);
  LoadOptions options;
  options.image_folder.side = 5;
  EXPECT_EQ(load_data("folder:" + folder.path().string(), options).train.width, 5);
  options.memory_limit_bytes = 100;
  expect_error<ConfigError>([&] { load_data("folder:" + folder.path().string(), options); },
                            {"limit"});
}

TEST(LoadData, SaysHowToGetFashionMnist) {
  const char* before = std::getenv("TRIFOLD_FASHION_MNIST");
  const std::string kept = before != nullptr ? before : "";
  setenv("TRIFOLD_FASHION_MNIST", "/no/such", 1);
  expect_error<FileError>([] { load_data("fashion-mnist"); },
                          {"/no/such", "apt-get install dataset-fashion-mnist"});
  if (before != nullptr) {
    setenv("TRIFOLD_FASHION_MNIST", kept.c_str(), 1);
  } else {
    unsetenv("TRIFOLD_FASHION_MNIST");
  }
}

TEST(LoadData, ReadsTheRealFashionMnist) {
  if (std::getenv("TRIFOLD_FASHION_MNIST") == nullptr &&
      !std::filesystem::is_directory("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "Fashion-MNIST is not on this machine";
  }
  const DataSplits splits = load_data("fashion-mnist");
  check(splits.train);
  check(splits.test);
  EXPECT_EQ(splits.train.count, 60000);
  EXPECT_EQ(splits.test.count, 10000);
  EXPECT_EQ(splits.train.height, 28);
  EXPECT_EQ(splits.train.width, 28);
  EXPECT_EQ(splits.train.channels, 1);
  EXPECT_EQ(splits.train.class_names[9], "Ankle boot");
  for (std::int32_t k = 0; k < 10; ++k) {
    EXPECT_EQ(std::count(splits.train.labels.begin(), splits.train.labels.end(), k), 6000);
    EXPECT_EQ(std::count(splits.test.labels.begin(), splits.test.labels.end(), k), 1000);
  }
}

}  // namespace
}  // namespace trifold::nn
