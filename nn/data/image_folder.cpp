#include "nn/data/image_folder.h"

#include <algorithm>

#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/data/image.h"
#include "nn/data/image_cache.h"
#include "nn/data/image_files.h"
#include "nn/data/image_listing.h"
#include "nn/data/memory_limit.h"
#include "nn/data/utf8.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

/// A split as decoded, before the images that can't be read are taken out.
struct Decoded {
  Dataset dataset;
  std::vector<std::string> failures;  // of each image; empty: none
  std::vector<std::string> warnings;  // likewise
};

/// A split of images that are not read yet.
Dataset unread(ImageListing& listing, const std::vector<std::string>& classes,
               const std::string& name, const ImageFolderOptions& options) {
  Dataset dataset;
  dataset.name = name;
  dataset.class_names = classes;
  dataset.classes = std::ssize(classes);
  dataset.count = std::ssize(listing.files);
  dataset.height = dataset.width = options.side;
  dataset.channels = options.channels;
  dataset.labels = std::move(listing.labels);
  return dataset;
}

/// Reads the images of a split.
Decoded decode(const fs::path& folder, const std::vector<std::string>& files, Dataset dataset,
               const ImageFolderOptions& options) {
  Decoded decoded;
  decoded.failures.resize(files.size());
  decoded.warnings.resize(files.size());
  dataset.pixels.resize(static_cast<std::size_t>(dataset.count * dataset.image_bytes()));
  kernels::ThreadPool(options.threads)
      .parallel_for(dataset.count, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const fs::path file = folder / files[at];
          try {
            const DecodedImage read = decode_image(file, options.channels, options.orient);
            const Image image = resize_and_crop(read.image, options.side);
            std::ranges::copy(image.pixels, dataset.pixels.begin() + i * dataset.image_bytes());
            if (!read.warning.empty()) {
              decoded.warnings[at] = fmt::format("{} ({})", file.string(), read.warning);
            }
          } catch (const FileError& failure) {
            decoded.failures[at] = failure.what();
          }
        }
      });
  decoded.dataset = std::move(dataset);
  return decoded;
}

/// Leaves the images of a split in their files.
Dataset stream(const fs::path& folder, std::vector<std::string>& files, Dataset dataset,
               const ImageFolderOptions& options) {
  auto found = std::make_shared<ImageFiles>();
  found->folder = folder;
  found->names = std::move(files);
  found->orient = options.orient;
  for (const std::string& name : found->names) {
    std::error_code ignored;  // reading what can't be looked at will say why
    found->bytes.push_back(static_cast<std::int64_t>(fs::file_size(folder / name, ignored)));
    dataset.file_of.push_back(std::ssize(dataset.file_of));
  }
  dataset.files = found;
  if (!options.cache.empty()) {
    found->cache =
        ImageCache::open(options.cache, dataset, options.threads, options.cache_progress);
  }
  return dataset;
}

/// Takes the images that can't be read out of a split.
void remove_failed(const fs::path& folder, Decoded& decoded) {
  Dataset& dataset = decoded.dataset;
  const std::vector<std::int32_t> before = dataset.labels;
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    if (!decoded.failures[static_cast<std::size_t>(i)].empty()) continue;
    if (kept < i) {
      std::copy_n(dataset.image(i), dataset.image_bytes(),
                  dataset.pixels.begin() + kept * dataset.image_bytes());
      dataset.labels[static_cast<std::size_t>(kept)] = dataset.label(i);
    }
    ++kept;
  }
  dataset.count = kept;
  dataset.labels.resize(static_cast<std::size_t>(kept));
  dataset.pixels.resize(static_cast<std::size_t>(kept * dataset.image_bytes()));
  for (const std::int32_t label : before) {
    require<FileError>(std::ranges::binary_search(dataset.labels, label),
                       "{}: none of the images of class '{}' can be read", folder.string(),
                       dataset.class_names[static_cast<std::size_t>(label)]);
  }
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  std::ranges::copy_if(more, std::back_inserter(all), [](const auto& text) { return text != ""; });
}

/// What is told of all splits together.
struct Remarks {
  std::vector<std::string> failures, damaged, other_formats, in_no_class, empty_classes;

  void add(const ImageListing& listing) {
    append(other_formats, listing.other_formats);
    append(in_no_class, listing.in_no_class);
    append(empty_classes, listing.empty_classes);
  }
  void add(const Decoded& decoded) {
    append(failures, decoded.failures);
    append(damaged, decoded.warnings);
  }

  std::vector<std::string> warnings(const fs::path& folder) const {
    std::vector<std::string> sentences;
    const auto tell = [&](const char* what, const std::vector<std::string>& items) {
      if (items.empty()) return;
      sentences.push_back(
          fmt::format("{}: {}: {} ({})", folder.string(), what, items.size(), enumerate(items)));
    };
    tell("damaged images that could be read all the same", damaged);
    tell("images passed over because they can't be read", failures);
    tell("images passed over because their names don't end in .jpg, .jpeg or .png", other_formats);
    tell("images passed over because they are in no class folder", in_no_class);
    tell("classes without a test image", empty_classes);
    return sentences;
  }
};

ImageListing list_split(const fs::path& folder, const std::vector<std::string>& classes) {
  require<FileError>(fs::is_directory(folder),
                     "{}: there is no such folder; images are looked for in train, and in test or "
                     "val, in a folder for each class",
                     folder.string());
  require<FileError>(!classes.empty(), "{}: it holds no class folders", folder.string());
  ImageListing listing = list_images(folder, classes);
  require<FileError>(!listing.files.empty(),
                     "{}: its class folders hold no .jpg, .jpeg or .png files", folder.string());
  return listing;
}

}  // namespace

DataSplits load_image_folder(const fs::path& folder, const ImageFolderOptions& options,
                             std::int64_t memory_limit_bytes, Splits splits) {
  constexpr std::int64_t largest_side = 1 << 14;
  require<ConfigError>(options.side >= 1 && options.side <= largest_side,
                       "the image side must be between 1 and {} pixels, not {}", largest_side,
                       options.side);
  require<ConfigError>(options.channels == 1 || options.channels == 3,
                       "images have 1 or 3 channels, {} cannot be had", options.channels);
  const fs::path train_folder = folder / "train";
  const fs::path test_folder = folder / (fs::is_directory(folder / "test") ? "test" : "val");
  std::vector<std::string> classes = list_classes(train_folder);
  if (classes.empty() && !wants_train(splits)) classes = list_classes(test_folder);

  Remarks remarks;
  ImageListing train, test;
  if (wants_train(splits)) {
    train = list_split(train_folder, classes);
    require<FileError>(train.empty_classes.empty(), "{}: it holds no .jpg, .jpeg or .png files",
                       enumerate(train.empty_classes));
    remarks.add(train);
  }
  if (wants_test(splits)) {
    test = list_split(test_folder, classes);
    remarks.add(test);
  }
  const std::int64_t images = std::ssize(train.files) + std::ssize(test.files);
  const std::int64_t bytes = images * options.side * options.side * options.channels;
  const bool streams = options.stream_above_bytes && bytes > *options.stream_above_bytes;
  if (!streams) require_fits_memory(folder.string(), bytes, memory_limit_bytes);
  require<ConfigError>(!streams || options.skip_bad == 0,
                       "images that are read as they are needed can't be passed over");

  const std::string name = as_utf8(fs::absolute(folder).lexically_normal().filename().string());
  Decoded decoded_train, decoded_test;
  const auto read = [&](const fs::path& split, ImageListing& listing, Decoded& decoded) {
    Dataset dataset = unread(listing, classes, name, options);
    if (streams) {
      decoded.dataset = stream(split, listing.files, std::move(dataset), options);
    } else {
      decoded = decode(split, listing.files, std::move(dataset), options);
    }
  };
  if (wants_train(splits)) read(train_folder, train, decoded_train);
  if (wants_test(splits)) read(test_folder, test, decoded_test);
  remarks.add(decoded_train);
  remarks.add(decoded_test);
  const std::int64_t bad = std::ssize(remarks.failures);
  if (bad > options.skip_bad) {
    throw BadImagesError(bad,
                         fmt::format("{}: {} of {} images can't be read ({}); mend or remove them",
                                     folder.string(), bad, images, enumerate(remarks.failures)));
  }
  if (wants_train(splits) && !streams) remove_failed(train_folder, decoded_train);
  if (wants_test(splits) && !streams) remove_failed(test_folder, decoded_test);
  return {std::move(decoded_train.dataset), std::move(decoded_test.dataset),
          remarks.warnings(folder)};
}

DataFormat image_folder_format() {
  return {.name = "folder",
          .help =
              "JPEG and PNG: DIR/train/CLASS, and DIR/test/CLASS or DIR/val/CLASS, with folders "
              "below at will",
          .streams = true,
          .load = [](const fs::path& folder, const LoadOptions& o) {
            return load_image_folder(folder, o.image_folder, o.memory_limit_bytes, o.splits);
          }};
}

}  // namespace trifold::nn
