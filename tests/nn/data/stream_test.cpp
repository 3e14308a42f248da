/// Image folders whose images are decoded as they are needed.
#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "engine/descriptor.h"
#include "engine/file_io.h"
#include "engine/random.h"
#include "nn/data/image_folder.h"
#include "nn/data/loader.h"
#include "nn/data/normalisation.h"
#include "tests/nn/data/image_support.h"
#include "tests/oracle/resize.h"

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

Image noise(std::int64_t height, std::int64_t width, std::uint64_t seed) {
  Image image{height, width, 3, {}};
  engine::Random random(seed);
  for (std::int64_t i = 0; i < height * width * 3; ++i) {
    image.pixels.push_back(static_cast<std::uint8_t>(random.next32()));
  }
  return image;
}

/// 41 training images of all shapes in 3 classes, PNG and JPEG in turn, and 3 test images.
class StreamedFolder : public ::testing::Test {
 protected:
  StreamedFolder() {
    for (int i = 0; i < 41; ++i) add("train", i);
    for (int i = 0; i < 3; ++i) add("test", i);
  }
  void add(const std::string& split, int i) const {
    const std::string stem = fmt::format("{}/class{}/{:02}", split, i % 3, i);
    const Image image = noise(9 + 7 * i % 30, 11 + 5 * i % 23, static_cast<std::uint64_t>(i));
    if (i % 2 == 0) {
      write_bytes(folder_ / (stem + ".png"), encode_png(image, SPNG_COLOR_TYPE_TRUECOLOR));
    } else {
      write_bytes(folder_ / (stem + ".jpg"), encode_jpeg(image, JCS_RGB));
    }
  }
  DataSplits load(std::optional<std::int64_t> stream_above_bytes = 0,
                  std::int64_t channels = 3) const {
    ImageFolderOptions options{.side = 10, .channels = channels, .threads = 2};
    options.stream_above_bytes = stream_above_bytes;
    return load_image_folder(folder_.path(), options, no_limit);
  }
  static std::vector<Batch> epoch_of(const Dataset& dataset, const LoaderOptions& options,
                                     std::int64_t epoch, std::int64_t batch = 0) {
    Loader loader(dataset, options);
    loader.start(epoch, batch);
    return drain(loader);
  }
  static std::vector<Batch> drain(Loader& loader) {
    std::vector<Batch> batches;
    while (std::optional<Batch> batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
  }
  static bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
    return std::ranges::equal(a, b, [](const Batch& p, const Batch& q) {
      const auto same_crop = [](const kernels::Crop& c, const kernels::Crop& d) {
        return c.down == d.down && c.right == d.right && c.mirrored == d.mirrored;
      };
      return p.n == q.n && p.labels == q.labels && p.pixels == q.pixels &&
             std::ranges::equal(p.crops, q.crops, same_crop);
    });
  }
  TempFolder folder_;
  const LoaderOptions windows_{.batch = 6, .seed = 9, .augmentation = Augmentation{0, true, true}};
};

TEST_F(StreamedFolder, HoldsWhatTheFolderInMemoryDoesButPixels) {
  const DataSplits streamed = load(), held = load(std::nullopt);
  for (const auto& [a, b] :
       {std::pair(&streamed.train, &held.train), {&streamed.test, &held.test}}) {
    check(*a);
    EXPECT_TRUE(a->streamed());
    EXPECT_FALSE(b->streamed());
    EXPECT_TRUE(a->pixels.empty());
    EXPECT_EQ(a->name, b->name);
    EXPECT_EQ(a->labels, b->labels);
    EXPECT_EQ(a->class_names, b->class_names);
    EXPECT_EQ(a->count, b->count);
    EXPECT_EQ(a->image_bytes(), b->image_bytes());
  }
}

TEST_F(StreamedFolder, StreamsWhatTakesMoreThanItMay) {
  constexpr std::int64_t bytes = 44 * 10 * 10 * 3;
  EXPECT_FALSE(load(bytes).train.streamed());
  EXPECT_TRUE(load(bytes - 1).train.streamed());
  ImageFolderOptions options{.side = 10, .skip_bad = 1, .stream_above_bytes = 0};
  expect_error<ConfigError>([&] { load_image_folder(folder_.path(), options, no_limit); },
                            {"can't be passed over"});
  // Memory is no matter of what isn't in memory.
  options.skip_bad = 0;
  EXPECT_NO_THROW(load_image_folder(folder_.path(), options, 1));
}

TEST_F(StreamedFolder, GivesTheBitsOfTheFolderInMemory) {
  for (const std::int64_t channels : {1, 3}) {
    const Dataset streamed = load(0, channels).train, held = load(std::nullopt, channels).train;
    LoaderOptions options{.batch = 6, .seed = 9, .augmentation = Augmentation{2, true}};
    EXPECT_TRUE(same(epoch_of(streamed, options, 3), epoch_of(held, options, 3)));
    const std::vector<Batch> plain = epoch_of(streamed, options, 3);
    options.augmentation->color = {.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f};
    EXPECT_TRUE(same(epoch_of(streamed, options, 3), epoch_of(held, options, 3)));
    EXPECT_FALSE(same(epoch_of(streamed, options, 3), plain));
    const std::vector<std::int64_t> some = {40, 3, 3, 17};
    EXPECT_TRUE(same(epoch_of(subset(streamed, some), {.batch = 3}, 0),
                     epoch_of(subset(held, some), {.batch = 3}, 0)));
    const HeldOutSplit a = split_held_out(streamed, 9, 5), b = split_held_out(held, 9, 5);
    EXPECT_TRUE(same(epoch_of(a.train, options, 1), epoch_of(b.train, options, 1)));
    EXPECT_TRUE(same(epoch_of(a.held_out, {.batch = 4, .shuffle = false}, 0),
                     epoch_of(b.held_out, {.batch = 4, .shuffle = false}, 0)));
    EXPECT_TRUE(measure_normalisation(streamed) == measure_normalisation(held));
  }
}

/// The data set with a cache, and how many of its images were decoded into it.
class CachedFolder : public StreamedFolder {
 protected:
  DataSplits load_cached() {
    decoded_ = 0;
    ImageFolderOptions options{.side = 10, .threads = 2};
    options.stream_above_bytes = 0;
    options.cache = cache_.path();
    std::int64_t before = 0;
    options.cache_progress = [&](std::int64_t done, std::int64_t total) {
      decoded_ += done - before;
      before = done == total ? 0 : done;
    };
    return load_image_folder(folder_.path(), options, no_limit);
  }
  std::vector<fs::path> cache_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(cache_.path())) files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
  }
  TempFolder cache_;
  std::int64_t decoded_ = 0;
};

TEST_F(CachedFolder, HasTheBitsOfTheFolderInMemoryAndIsDecodedOnce) {
  const DataSplits held = load(std::nullopt);
  const LoaderOptions options{.batch = 6, .seed = 9, .augmentation = Augmentation{2, true}};
  for (const std::int64_t expected : {44, 0}) {
    const DataSplits cached = load_cached();
    EXPECT_EQ(decoded_, expected);
    EXPECT_TRUE(same(epoch_of(cached.train, options, 3), epoch_of(held.train, options, 3)));
    EXPECT_TRUE(same(epoch_of(cached.test, {.batch = 2}, 0), epoch_of(held.test, {.batch = 2}, 0)));
    const HeldOutSplit a = split_held_out(cached.train, 9, 5), b = split_held_out(held.train, 9, 5);
    EXPECT_TRUE(same(epoch_of(a.held_out, {.batch = 4}, 0), epoch_of(b.held_out, {.batch = 4}, 0)));
    EXPECT_EQ(checksum(cached.train), checksum(load().train));
  }
  const std::vector<fs::path> files = cache_files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(fs::file_size(files[0]), 3u * 300);
  EXPECT_EQ(fs::file_size(files[1]), 41u * 300);
}

TEST_F(CachedFolder, IsMadeAnewWhereAPictureHasChanged) {
  load_cached();
  const fs::path picture = folder_ / "train/class0/00.png";
  const auto time = fs::last_write_time(picture);
  const auto bytes = encode_png(noise(9, 11, 77), SPNG_COLOR_TYPE_TRUECOLOR);
  write_bytes(picture, bytes);
  fs::last_write_time(picture, time + std::chrono::seconds(5));
  const DataSplits changed = load_cached();
  EXPECT_EQ(decoded_, 41);
  EXPECT_EQ(cache_files().size(), 3u);
  EXPECT_TRUE(same(epoch_of(changed.train, {.batch = 6}, 0),
                   epoch_of(load(std::nullopt).train, {.batch = 6}, 0)));
}

TEST_F(CachedFolder, SaysWhatIsWrongAndLeavesNothing) {
  write_bytes(folder_ / "train/class1/04.jpg", {1, 2, 3});
  expect_error<FileError>([&] { load_cached(); }, {"04.jpg", "mend or remove it"});
  EXPECT_TRUE(cache_files().empty());
  fs::remove(folder_ / "train/class1/04.jpg");
  ImageFolderOptions nowhere{.side = 10};
  nowhere.stream_above_bytes = 0;
  nowhere.cache = folder_ / "train/class0/00.png";  // no folder
  expect_error<engine::WriteError>([&] { load_image_folder(folder_.path(), nowhere, no_limit); },
                                   {"the cache of images can't be written"});
  // What a killed process has left.
  load_cached();
  const std::vector<fs::path> files = cache_files();
  fs::rename(files[1], files[1].string() + ".partial");
  fs::resize_file(files[1].string() + ".partial", 100000);
  load_cached();
  EXPECT_EQ(decoded_, 41);
  EXPECT_EQ(cache_files(), files);
  fs::resize_file(files[1], 77);
  expect_error<FileError>([&] { load_cached(); }, {"has 77 bytes, not 12300; remove it"});
}

TEST_F(CachedFolder, IsMadeByOneOfThoseWhoWantIt) {
  std::vector<std::int64_t> decoded(4);
  std::vector<std::thread> threads;
  for (std::int64_t& count : decoded) {
    threads.emplace_back([&] {
      ImageFolderOptions options{.side = 10, .threads = 1};
      options.stream_above_bytes = 0;
      options.cache = cache_.path();
      options.cache_progress = [&](std::int64_t, std::int64_t total) { count += total; };
      load_image_folder(folder_.path(), options, no_limit);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(decoded[0] + decoded[1] + decoded[2] + decoded[3], 44);
  EXPECT_EQ(cache_files().size(), 2u);
}

// The file comes to be after a look for it, and before the lock of a partial one is had.
TEST_F(CachedFolder, LeavesNoPartialFileWhereAnotherWasFaster) {
  load_cached();
  const std::vector<fs::path> files = cache_files();
  const fs::path aside = folder_ / "aside", partial = files[1].string() + ".partial";
  fs::rename(files[1], aside);
  const engine::Descriptor locked(::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  ASSERT_EQ(::flock(locked.number(), LOCK_EX), 0);
  std::thread late([&] { load_cached(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  fs::rename(aside, files[1]);
  ::flock(locked.number(), LOCK_UN);
  late.join();
  EXPECT_EQ(decoded_, 0);
  EXPECT_EQ(cache_files(), files);
}

TEST_F(StreamedFolder, AnyNumberOfThreadsGivesTheSameBits) {
  const Dataset data = load().train;
  LoaderOptions options = windows_;
  options.prefetch = 0;
  const auto expected = epoch_of(data, options, 2);
  ASSERT_EQ(expected.size(), 7U);
  EXPECT_FALSE(same(epoch_of(data, options, 1), expected));
  for (const int threads : {1, 2, 4, 7}) {
    for (const std::int64_t prefetch : {0, 1, 3}) {
      options.threads = threads;
      options.prefetch = prefetch;
      EXPECT_TRUE(same(epoch_of(data, options, 2), expected)) << threads << " " << prefetch;
    }
  }
}

TEST_F(StreamedFolder, ResumesAtAnyBatchAndShard) {
  const Dataset data = load().train;
  LoaderOptions options = windows_;
  options.threads = 3;
  const auto whole = epoch_of(data, options, 2);
  for (std::int64_t batch = 0; batch <= std::ssize(whole); ++batch) {
    EXPECT_TRUE(same(epoch_of(data, options, 2, batch), {whole.begin() + batch, whole.end()}))
        << batch;
  }
  Loader loader(data, options);
  loader.start(0);
  EXPECT_TRUE(loader.next());
  loader.start(2, 4);
  EXPECT_TRUE(same(drain(loader), {whole.begin() + 4, whole.end()}));

  options.drop_last = true;
  options.shards = 3;
  for (const std::int64_t shard : {0, 1, 2}) {
    options.first_shard = shard;
    const auto part = epoch_of(data, options, 2, 1);
    ASSERT_EQ(part.size(), 5U);
    const std::int64_t bytes = 2 * data.image_bytes();
    for (std::size_t i = 0; i < part.size(); ++i) {
      EXPECT_TRUE(std::equal(part[i].pixels.begin(), part[i].pixels.end(),
                             whole[i + 1].pixels.begin() + shard * bytes));
      EXPECT_EQ(std::ssize(part[i].pixels), bytes);
    }
  }
}

/// Every image of an epoch against the definition, from the pictures as decode_image gives them: the
/// shapes are too small for a JPEG to be decoded smaller.
TEST_F(StreamedFolder, WindowsAreThoseOfTheDefinition) {
  const Dataset data = load().train;
  const std::vector<Batch> batches = epoch_of(data, windows_, 4);
  const std::vector<std::int64_t> order = engine::permutation(
      data.count, engine::Random(windows_.seed, engine::random_streams::shuffle, 4));
  std::size_t at = 0;
  int mirrored = 0;
  for (const Batch& batch : batches) {
    for (std::int64_t i = 0; i < batch.n; ++i) {
      const std::int64_t index = order[at++];
      const fs::path file = data.files->folder / data.files->names[static_cast<std::size_t>(index)];
      const Image image = decode_image(file, 3).image;
      const Window w = draw_window(windows_.seed, 4, index, image.height, image.width);
      const auto height = static_cast<std::int64_t>(w.height),
                 width = static_cast<std::int64_t>(w.width);
      std::vector<double> cut;
      for (std::int64_t y = 0; y < height; ++y) {
        const auto row =
            image.pixels.begin() + ((y + static_cast<std::int64_t>(w.top)) * image.width +
                                    static_cast<std::int64_t>(w.left)) *
                                       3;
        cut.insert(cut.end(), row, row + width * 3);
      }
      const std::vector<double> expected =
          oracle::resize_forward({1, height, width, data.height, data.width, 3, true}, cut);
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_NEAR(batch.pixels[static_cast<std::size_t>(i) * expected.size() + k], expected[k],
                    0.5 + 1e-3)
            << file;
      }
      const kernels::Crop& crop = batch.crops[static_cast<std::size_t>(i)];
      EXPECT_EQ(crop.down, 0);
      EXPECT_EQ(crop.right, 0);
      mirrored += crop.mirrored;
      EXPECT_EQ(batch.labels[static_cast<std::size_t>(i)], data.label(index));
    }
  }
  EXPECT_EQ(at, 41U);
  EXPECT_GT(mirrored, 10);
  EXPECT_LT(mirrored, 31);
}

TEST_F(StreamedFolder, LargePicturesAreDecodedSmaller) {
  // Stripes of one pixel, which no scale but the first can show.
  Image stripes{400, 640, 3, {}};
  for (std::int64_t i = 0; i < 400 * 640; ++i) {
    stripes.pixels.insert(stripes.pixels.end(), 3, i % 2 == 0 ? 0 : 255);
  }
  const TempFolder folder;
  write_bytes(folder / "train/a/x.jpg", encode_jpeg(stripes, JCS_RGB));
  write_bytes(folder / "test/a/x.jpg", encode_jpeg(stripes, JCS_RGB));
  const auto data_of = [&](std::int64_t side) {
    return load_image_folder(folder.path(), {.side = side, .stream_above_bytes = 0}, no_limit)
        .train;
  };
  const auto contrast = [](const Dataset& data, const Window& window) {
    ImageReader reader(data, 1);
    Bytes pixels(static_cast<std::size_t>(data.image_bytes()));
    const std::int64_t first = 0;
    reader.read(
        {&first, 1}, [&](auto...) { return window; }, {}, pixels.data());
    const auto [low, high] = std::ranges::minmax_element(pixels);
    return *high - *low;
  };
  const Dataset data = data_of(50);
  EXPECT_GT(contrast(data, {10, 10, 50, 50}), 200);   // as it is
  EXPECT_LT(contrast(data, {10, 10, 200, 200}), 10);  // by 2
  EXPECT_LT(contrast(data, {0, 0, 400, 640}), 10);    // by 4
  EXPECT_GT(contrast(data_of(301), {0, 0, 400, 640}), 25);
}

TEST_F(StreamedFolder, NamesTheFirstImageThatCantBeRead) {
  write_bytes(folder_ / "train/class1/04.jpg", {1, 2, 3});
  write_bytes(folder_ / "train/class2/23.jpg", {0xFF, 0xD8, 0xFF});
  fs::create_symlink("nowhere", folder_ / "train/class0/99.png");
  const Dataset data = load().train;
  for (const int threads : {1, 4}) {
    Loader loader(data, {.batch = 60, .shuffle = false, .threads = threads});
    loader.start(0);
    expect_error<FileError>([&] { loader.next(); },
                            {"train/class0/99.png: there is no such file", "; mend or remove it"});
  }
  fs::remove(folder_ / "train/class0/99.png");
  const Dataset rest = load().train;
  Loader loader(rest, {.batch = 7, .shuffle = false, .threads = 2});
  loader.start(0);
  EXPECT_TRUE(loader.next());  // the 14 images of class0 are whole
  EXPECT_TRUE(loader.next());
  expect_error<FileError>([&] { loader.next(); },
                          {"train/class1/04.jpg: it is neither a JPEG nor a PNG file; mend"});
  expect_error<FileError>([&] { measure_normalisation(rest); }, {"class1/04.jpg"});
}

/// The files of later batches come into being after the loader has made all that it may.
TEST_F(StreamedFolder, ReadsNoFurtherAheadThanItsDepth) {
  const Dataset data = load().train;
  const LoaderOptions options{.batch = 5, .shuffle = false, .prefetch = 2, .threads = 2};
  const auto expected = epoch_of(data, options, 0);
  const auto path = [&](std::int64_t i) {
    return data.files->folder / data.files->names[static_cast<std::size_t>(i)];
  };
  const std::int64_t first_unread = (1 + options.prefetch + 1) * options.batch;
  for (std::int64_t i = first_unread; i < data.count; ++i) {
    fs::rename(path(i), path(i).string() + ".later");
  }
  Loader loader(data, options);
  loader.start(0);
  std::optional<Batch> first = loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  for (std::int64_t i = first_unread; i < data.count; ++i) {
    fs::rename(path(i).string() + ".later", path(i));
  }
  std::vector<Batch> found = drain(loader);
  found.insert(found.begin(), std::move(*first));
  EXPECT_TRUE(same(found, expected));
}

/// Peak resident memory since it was last forgotten; -1 where the system doesn't let it be.
class PeakMemory {
 public:
  static bool forget() {
    std::ofstream stream("/proc/self/clear_refs");
    stream << 5 << std::flush;
    return stream.good();
  }
  static std::int64_t bytes(const std::string& what) {
    std::ifstream stream("/proc/self/status");
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with(what)) return std::stoll(line.substr(what.size())) * 1024;
    }
    return -1;
  }
};

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(StreamedFolder, MemoryHoldsAFewPicturesAtATime) {
  // 24 pictures of 24 MB each when they are decoded, of a few kB in their files.
  const TempFolder folder;
  const Bytes file = encode_png({2000, 4000, 3, Bytes(24'000'000, 7)}, SPNG_COLOR_TYPE_TRUECOLOR);
  for (int i = 0; i < 24; ++i) write_bytes(folder / fmt::format("train/a/{}.png", i), file);
  write_bytes(folder / "test/a/0.png", file);
  const Dataset data =
      load_image_folder(folder.path(), {.side = 32, .stream_above_bytes = 0}, no_limit).train;
  malloc_trim(0);
  if (!PeakMemory::forget()) GTEST_SKIP() << "the system doesn't forget peaks of memory";
  const std::int64_t before = PeakMemory::bytes("VmRSS:");
  EXPECT_EQ(epoch_of(data, {.batch = 24, .threads = 2}, 0).size(), 1U);
  const std::int64_t grown = PeakMemory::bytes("VmHWM:") - before;
  // Of each thread, the picture and what resizing takes; 24 pictures would be 576 MB.
  EXPECT_GT(grown, 20'000'000);
  EXPECT_LT(grown, 150'000'000);
}
#endif

TEST_F(StreamedFolder, TheChecksumTellsDataSetsApart) {
  const Dataset data = load().train;
  const std::uint32_t sum = checksum(data);
  EXPECT_EQ(checksum(load().train), sum);
  // Elsewhere they are the same images.
  const fs::path moved = folder_ / "moved";
  fs::create_directories(moved);
  for (const char* split : {"train", "test"})
    fs::copy(folder_ / split, moved / split, fs::copy_options::recursive);
  const auto there = [&](ImageFolderOptions options) {
    options.stream_above_bytes = 0;
    return checksum(load_image_folder(moved, options, no_limit).train);
  };
  EXPECT_EQ(there({.side = 10}), sum);
  EXPECT_NE(there({.side = 11}), sum);
  EXPECT_NE(there({.side = 10, .channels = 1}), sum);
  EXPECT_NE(there({.side = 10, .orient = false}), sum);
  EXPECT_NE(checksum(subset(data, {0, 1})), checksum(subset(data, {0, 3})));
  fs::rename(moved / "train/class0/00.png", moved / "train/class0/0.png");
  EXPECT_NE(there({.side = 10}), sum);
  fs::rename(moved / "train/class0/0.png", moved / "train/class0/00.png");
  EXPECT_EQ(there({.side = 10}), sum);
  write_bytes(moved / "train/class0/00.png", encode_png(noise(5, 5, 1), SPNG_COLOR_TYPE_TRUECOLOR));
  EXPECT_NE(there({.side = 10}), sum);
}

TEST_F(StreamedFolder, CheckNamesWhatDoesNotFit) {
  const Dataset good = load().train;
  const auto broken = [&](auto change) {
    Dataset dataset = good;
    change(dataset);
    return [dataset] { check(dataset); };
  };
  expect_error<ShapeError>(broken([](Dataset& d) { d.file_of.pop_back(); }),
                           {"40 of its 41 images", "41 files"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.file_of[3] = 41; }), {"wrong or missing"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.file_of[3] = -1; }), {"wrong or missing"});
  expect_error<ShapeError>(broken([](Dataset& d) { d.pixels.push_back(0); }), {"1 pixel bytes"});
  const Dataset held = testing::counting_dataset(20, 4, 4, 3, 5);
  expect_error<ConfigError>([&] { Loader(held, windows_); }, {"'counting'", "as they are needed"});
}

}  // namespace
}  // namespace trifold::nn
