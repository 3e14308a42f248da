/// What a format of data sets is, to whoever asks for one by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "nn/data/dataset.h"

namespace trifold::nn {

/// How image files of any size are read.
struct ImageFolderOptions {
  std::int64_t side = 224;    ///< Every image becomes side x side pixels.
  std::int64_t channels = 3;  ///< 3 (colour) or 1 (grey).
  int threads = 0;            ///< For decoding; 0 takes one a processor.
  bool orient = true;         ///< Turns images as their EXIF data says; else as they are stored.
  std::int64_t skip_bad = 0;  ///< Images that may be passed over because they can't be read.
  /// Images that would take more bytes of memory are streamed: they stay in their files until a batch
  /// needs them. None: they never are.
  std::optional<std::int64_t> stream_above_bytes = {};
  /// Where streamed images are kept decoded (ImageCache); empty: nowhere.
  std::filesystem::path cache = {};
  /// Told how many of all images of a split are decoded into the cache.
  std::function<void(std::int64_t done, std::int64_t total)> cache_progress = {};
};

struct LoadOptions {
  std::int64_t memory_limit_bytes = 0;  ///< Of all pixels together; 0 is half of the memory.
  ImageFolderOptions image_folder;      ///< Used by formats of image files alone.
  Splits splits = Splits::both;         ///< The files of another split are not read.
};

struct DataFormat {
  std::string name;
  std::string help;
  bool takes_folder = true;  ///< Asked for as NAME:DIR, else as NAME alone.
  bool streams = false;      ///< Whether its images can be streamed.
  bool mirror = true;        ///< Whether to mirror its images in training, unless told otherwise.
  /// Reads the sets in a folder, which exists; it is empty where the format takes none. The memory
  /// limit is above 0.
  DataSplits (*load)(const std::filesystem::path& folder, const LoadOptions& options);
};

}  // namespace trifold::nn
