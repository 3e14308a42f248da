#include "nn/data/image_folder.h"

#include <algorithm>
#include <cctype>

#include "kernels/error.h"
#include "kernels/thread_pool.h"
#include "nn/data/image.h"
#include "nn/data/memory_limit.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

struct Listing {
  std::vector<fs::path> files;
  std::vector<std::int32_t> labels;
};

/// The entries of a folder that `wanted` accepts, sorted by name.
template <class Predicate>
std::vector<fs::path> list(const fs::path& folder, Predicate wanted) {
  std::vector<fs::path> found;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (wanted(entry)) found.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& failure) {
    throw FileError(
        fmt::format("{}: cannot be listed ({})", folder.string(), failure.code().message()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool is_image(const fs::directory_entry& entry) {
  std::string ending = entry.path().extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return entry.is_regular_file() && (ending == ".jpg" || ending == ".jpeg" || ending == ".png");
}

std::vector<std::string> list_classes(const fs::path& split) {
  std::vector<std::string> names;
  for (const fs::path& path : list(split, [](const auto& entry) { return entry.is_directory(); })) {
    names.push_back(path.filename().string());
  }
  require<FileError>(!names.empty(), "{}: it holds no class folders", split.string());
  return names;
}

Listing list_images(const fs::path& split, const std::vector<std::string>& classes) {
  Listing listing;
  for (const std::string& name : list_classes(split)) {
    const auto place = std::lower_bound(classes.begin(), classes.end(), name);
    require<FileError>(place != classes.end() && *place == name,
                       "{}: '{}' is not one of the {} training classes", split.string(), name,
                       classes.size());
    const std::vector<fs::path> files = list(split / name, is_image);
    require<FileError>(!files.empty(), "{}: it holds no .jpg, .jpeg or .png files",
                       (split / name).string());
    listing.files.insert(listing.files.end(), files.begin(), files.end());
    listing.labels.insert(listing.labels.end(), files.size(),
                          static_cast<std::int32_t>(place - classes.begin()));
  }
  return listing;
}

Dataset decode(Listing listing, const std::vector<std::string>& classes, const std::string& name,
               const ImageFolderOptions& options) {
  Dataset dataset;
  dataset.name = name;
  dataset.class_names = classes;
  dataset.classes = std::ssize(classes);
  dataset.count = std::ssize(listing.files);
  dataset.height = dataset.width = options.side;
  dataset.channels = options.channels;
  dataset.labels = std::move(listing.labels);
  dataset.pixels.resize(static_cast<std::size_t>(dataset.count * dataset.image_bytes()));
  kernels::ThreadPool(options.threads)
      .parallel_for(dataset.count, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const fs::path& file = listing.files[static_cast<std::size_t>(i)];
          const Image image =
              resize_and_crop(decode_image(file, options.channels).image, options.side);
          std::copy(image.pixels.begin(), image.pixels.end(),
                    dataset.pixels.begin() + i * dataset.image_bytes());
        }
      });
  return dataset;
}

}  // namespace

DataSplits load_image_folder(const fs::path& folder, const ImageFolderOptions& options,
                             std::int64_t memory_limit_bytes) {
  constexpr std::int64_t largest_side = 1 << 14;
  require<ConfigError>(options.side >= 1 && options.side <= largest_side,
                       "the image side must be between 1 and {} pixels, not {}", largest_side,
                       options.side);
  require<ConfigError>(options.channels == 1 || options.channels == 3,
                       "images have 1 or 3 channels, {} cannot be had", options.channels);
  const fs::path test_folder = folder / (fs::is_directory(folder / "test") ? "test" : "val");
  const std::vector<std::string> classes = list_classes(folder / "train");
  Listing train = list_images(folder / "train", classes);
  Listing test = list_images(test_folder, classes);
  const std::int64_t images = std::ssize(train.files) + std::ssize(test.files);
  require_fits_memory(folder.string(), images * options.side * options.side * options.channels,
                      memory_limit_bytes);
  const std::string name = fs::absolute(folder).lexically_normal().filename().string();
  return {decode(std::move(train), classes, name, options),
          decode(std::move(test), classes, name, options)};
}

}  // namespace trifold::nn
