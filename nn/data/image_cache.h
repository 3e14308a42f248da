/// Decoded images of a streamed data set, in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "nn/data/dataset.h"

namespace trifold::nn {

/// The images of a data set, brought to its size: what ImageReader gives without windows, for less than
/// decoding them costs.
class ImageCache {
 public:
  /// Told how many of all images are decoded.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  /// Opens the cache of all images of `dataset`, which is streamed and whole, in `folder`, or makes it
  /// there: decodes them on `threads` threads, as ThreadPool's, into a file of
  /// count * height * width * channels bytes, whose name tells the data set, the split and, by a
  /// CRC-32, names, lengths and times of its files and how they are read. So a data set that has
  /// changed gets another file; the old one stays. Processes that want the same one at once wait for
  /// the first of them. What one that was killed leaves is written over.
  /// Errors    FileError: an image can't be read, or the cache's file. engine::WriteError: it can't be
  ///           written; nothing is left of it.
  static std::shared_ptr<const ImageCache> open(const std::filesystem::path& folder,
                                                const Dataset& dataset, int threads,
                                                const Progress& progress);
  ~ImageCache();
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  /// The bytes of the image of that number among the data set's files.
  /// Errors    FileError: the file can't be read, or has become shorter.
  void read(std::int64_t file, std::span<std::uint8_t> to) const;

 private:
  ImageCache(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}

  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace trifold::nn
