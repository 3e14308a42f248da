/// What people's image folders look like.
#include "nn/data/image_folder.h"

#include "nn/data/source.h"
#include "tests/nn/data/image_support.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

using testing::Bytes;
using testing::encode_jpeg;
using testing::encode_png;
using testing::expect_error;
using testing::gradient;
using testing::TempFolder;
using testing::write_bytes;

constexpr std::int64_t no_limit = std::int64_t{1} << 40;
const std::string latin1 = "caf\xe9";

Bytes flat_png(std::uint8_t value) {
  return encode_png({12, 16, 1, Bytes(12 * 16, value)}, SPNG_COLOR_TYPE_GRAYSCALE);
}

class ImageFolderHabits : public ::testing::Test {
 protected:
  ImageFolderHabits() {
    add("train/cat/a.png", 10);
    add("train/cat/b.png", 20);
    add("train/dog/c.png", 30);
    add("test/cat/d.png", 40);
    add("test/dog/e.png", 50);
  }
  void add(const std::string& name, std::uint8_t value) {
    write_bytes(folder_ / name, flat_png(value));
  }
  DataSplits load(Splits splits = Splits::both, std::int64_t skip_bad = 0) const {
    return load_image_folder(folder_.path(), {.side = 6, .threads = 2, .skip_bad = skip_bad},
                             no_limit, splits);
  }
  /// The grey of each image, by which they are told apart.
  static std::vector<int> greys(const Dataset& dataset) {
    check(dataset);
    std::vector<int> values;
    for (std::int64_t i = 0; i < dataset.count; ++i) values.push_back(dataset.image(i)[0]);
    return values;
  }
  void expect_refused(const std::vector<std::string>& parts, std::int64_t skip_bad = 0) const {
    expect_error<FileError>([&] { load(Splits::both, skip_bad); }, parts);
  }
  void expect_too_many_bad(std::int64_t count, const std::vector<std::string>& parts,
                           std::int64_t skip_bad = 0) const {
    try {
      load(Splits::both, skip_bad);
      ADD_FAILURE() << count << " images that can't be read were passed over";
    } catch (const BadImagesError& e) {
      EXPECT_EQ(e.count, count);
      for (const std::string& part : parts) {
        EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      }
    }
  }
  /// Expects one warning, and that it has every one of `parts`.
  static void expect_warning(const DataSplits& data, const std::vector<std::string>& parts) {
    ASSERT_EQ(data.warnings.size(), 1U);
    for (const std::string& part : parts) {
      EXPECT_NE(data.warnings[0].find(part), std::string::npos) << data.warnings[0];
    }
  }
  TempFolder folder_;
};

TEST_F(ImageFolderHabits, HiddenFilesAndFoldersArePassedOver) {
  write_bytes(folder_ / "train/cat/._a.png", {0, 5, 22, 7});
  write_bytes(folder_ / "train/.DS_Store", {1});
  write_bytes(folder_ / "train/._cat.png", {1});
  add("train/.ipynb_checkpoints/a-checkpoint.png", 99);
  add("train/cat/.ipynb_checkpoints/a-checkpoint.png", 99);
  add("test/.thumbnails/x.png", 99);
  const DataSplits data = load();
  EXPECT_EQ(data.train.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(greys(data.train), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(greys(data.test), (std::vector<int>{40, 50}));
  EXPECT_TRUE(data.warnings.empty());
}

TEST_F(ImageFolderHabits, ImagesInDeeperFoldersCount) {
  add("train/cat/aa/deep/x.png", 11);
  add("train/cat/z/y.png", 21);
  add("test/dog/more/y.png", 51);
  const DataSplits data = load();
  EXPECT_EQ(greys(data.train), (std::vector<int>{10, 11, 20, 21, 30}));
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{0, 0, 0, 0, 1}));
  EXPECT_EQ(greys(data.test), (std::vector<int>{40, 50, 51}));
}

TEST_F(ImageFolderHabits, LinksAreFollowedButNotInCircles) {
  add("elsewhere/f.png", 60);
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "train/dog/more");
  EXPECT_EQ(greys(load().train), (std::vector<int>{10, 20, 30, 60}));
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "elsewhere/back");
  expect_refused({"more/back", "leads back"});
}

TEST_F(ImageFolderHabits, ABrokenLinkIsAnImageThatCantBeRead) {
  fs::create_symlink("nowhere", folder_ / "train/cat/broken.png");
  fs::create_symlink("self.png", folder_ / "train/cat/self.png");
  expect_too_many_bad(2,
                      {"2 of 7 images", "train/cat/broken.png: there is no such file", "self.png"});
}

TEST_F(ImageFolderHabits, ImagesThatDontCountAreNamed) {
  write_bytes(folder_ / "train/cat/photo.WEBP", {1});
  expect_warning(load(), {"don't end in .jpg, .jpeg or .png", ": 1 (", "train/cat/photo.WEBP"});
  fs::remove(folder_ / "train/cat/photo.WEBP");
  add("test/loose.png", 99);
  expect_warning(load(), {"no class folder", ": 1 (", "test/loose.png"});
  EXPECT_TRUE(load(Splits::train).warnings.empty());
}

TEST_F(ImageFolderHabits, DamagedButReadableImagesAreCounted) {
  const Bytes whole = encode_jpeg(gradient(16, 16, 3), JCS_RGB);
  write_bytes(folder_ / "train/cat/whole.jpg", whole);
  EXPECT_TRUE(load().warnings.empty());
  write_bytes(folder_ / "train/cat/endless.jpg", Bytes(whole.begin(), whole.end() - 2));
  write_bytes(folder_ / "test/dog/endless.jpg", Bytes(whole.begin(), whole.end() - 2));
  const DataSplits data = load();
  EXPECT_EQ(data.train.count, 5);
  expect_warning(data,
                 {"damaged images that could be read", ": 2 (",
                  "train/cat/endless.jpg (Premature end of JPEG file)", "test/dog/endless.jpg"});
}

TEST_F(ImageFolderHabits, AllBadImagesAreListedAtOnce) {
  write_bytes(folder_ / "train/cat/x.png", {1, 2, 3});
  write_bytes(folder_ / "train/dog/y.jpg", {0xFF, 0xD8, 0xFF});
  write_bytes(folder_ / "test/cat/z.png", {});
  expect_too_many_bad(3, {"3 of 8 images can't be read", "train/cat/x.png: it is neither",
                          "train/dog/y.jpg", "test/cat/z.png"});
  expect_too_many_bad(3, {"3 of 8 images"}, 2);
  for (int i = 0; i < 30; ++i) write_bytes(folder_ / fmt::format("test/dog/{}.png", i), {});
  expect_too_many_bad(33, {"33 of 38 images", "; and 13 more"});
}

TEST_F(ImageFolderHabits, BadImagesArePassedOverOnRequest) {
  write_bytes(folder_ / "train/cat/aa.png", {1, 2, 3});
  write_bytes(folder_ / "train/dog/d.png", {1});
  write_bytes(folder_ / "test/cat/z.png", {});
  const DataSplits data = load(Splits::both, 3);
  EXPECT_EQ(greys(data.train), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(data.train.labels, (std::vector<std::int32_t>{0, 0, 1}));
  EXPECT_EQ(greys(data.test), (std::vector<int>{40, 50}));
  expect_warning(data, {"passed over because they can't be read", ": 3 (", "train/cat/aa.png",
                        "train/dog/d.png", "test/cat/z.png"});
  // A class must not vanish.
  write_bytes(folder_ / "train/dog/c.png", {1});
  expect_refused({"train", "none of the images of class 'dog'"}, 4);
}

TEST_F(ImageFolderHabits, OnlyTheWantedSplitIsRead) {
  write_bytes(folder_ / "train/cat/bad.png", {1});
  const DataSplits test = load(Splits::test);
  EXPECT_EQ(greys(test.test), (std::vector<int>{40, 50}));
  EXPECT_EQ(test.train.count, 0);
  fs::remove_all(folder_ / "test/dog");  // the training folders still say what the classes are
  add("test/dog/e.png", 50);
  fs::remove_all(folder_ / "test/cat");
  const DataSplits dogs = load(Splits::test);
  EXPECT_EQ(dogs.test.labels, (std::vector<std::int32_t>{1}));
  EXPECT_EQ(dogs.test.class_names, (std::vector<std::string>{"cat", "dog"}));

  fs::remove_all(folder_ / "test");
  fs::remove(folder_ / "train/cat/bad.png");
  EXPECT_EQ(greys(load(Splits::train).train), (std::vector<int>{10, 20, 30}));
}

TEST_F(ImageFolderHabits, WithoutATrainingSplitTheTestSplitNamesTheClasses) {
  fs::remove_all(folder_ / "train");
  fs::create_directories(folder_ / "test/emu");
  const DataSplits data = load(Splits::test);
  EXPECT_EQ(data.test.class_names, (std::vector<std::string>{"cat", "dog", "emu"}));
  EXPECT_EQ(data.test.labels, (std::vector<std::int32_t>{0, 1}));
  expect_warning(data, {"classes without a test image", ": 1 (", "test/emu"});
  expect_refused({"train", "no such folder"});
  fs::create_directories(folder_ / "train/.git");
  EXPECT_EQ(load(Splits::test).test.classes, 3);
}

TEST_F(ImageFolderHabits, ClassNamesAreUtf8) {
  add("train/caf\u00e9/x.png", 1);
  EXPECT_EQ(load().train.class_names.front(), "caf\u00e9");
  add("train/" + latin1 + "/x.png", 1);
  expect_refused({"train", "caf\\xe9", "UTF-8", "rename"});
  expect_error<FileError>([&] { load(Splits::test); }, {"caf\\xe9"});
}

TEST_F(ImageFolderHabits, OtherNamesMayBeAnyBytes) {
  fs::create_directories(folder_ / latin1);
  fs::rename(folder_ / "train", folder_ / latin1 / "train");
  fs::rename(folder_ / "test", folder_ / latin1 / "test");
  write_bytes(folder_ / latin1 / "train/cat" / (latin1 + ".png"), flat_png(70));
  const DataSplits data = load_image_folder(folder_ / latin1, {.side = 6, .threads = 1}, no_limit);
  EXPECT_EQ(greys(data.train), (std::vector<int>{10, 20, 70, 30}));
  EXPECT_EQ(data.train.name, "caf\\xe9");
}

TEST_F(ImageFolderHabits, OrientationIsAppliedUnlessTold) {
  // A TIFF whose one entry says: turn clockwise.
  const Bytes exif{'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12,
                   0,   3,   0,   0,   0, 1, 0,   6,   0, 0,  0, 0, 0, 0, 0, 0, 0, 0};
  const Image image = gradient(16, 16, 3);  // red grows downwards
  write_bytes(folder_ / "test/cat/d.jpg", encode_jpeg(image, JCS_RGB, {}, exif));
  fs::remove(folder_ / "test/cat/d.png");
  for (const bool orient : {true, false}) {
    const Dataset test =
        load_image_folder(folder_.path(), {.side = 16, .threads = 1, .orient = orient}, no_limit)
            .test;
    const std::uint8_t* const cat = test.image(0);
    const int top_left = cat[0], top_right = cat[15 * 3], bottom_left = cat[15 * 16 * 3];
    EXPECT_EQ(top_left - top_right > 100, orient);  // the first row has become the last column
    EXPECT_EQ(bottom_left - top_left > 100, !orient);
  }
}

TEST(LoadData, ReadsOnlyTheWantedSplit) {
  const TempFolder folder;
  write_bytes(folder / "test/cat/a.png", flat_png(1));
  LoadOptions options;
  options.image_folder.side = 5;
  options.splits = Splits::test;
  const DataSplits data = load_data("folder:" + folder.path().string(), options);
  EXPECT_EQ(data.test.count, 1);
  EXPECT_EQ(data.train.count, 0);
}

}  // namespace
}  // namespace trifold::nn
