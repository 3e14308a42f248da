/// Images that stay in their files until a batch needs them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/thread_pool.h"
#include "nn/data/dataset.h"
#include "nn/data/image.h"

namespace trifold::nn {

class ImageCache;

/// The files of a streamed data set and of its parts.
struct ImageFiles {
  std::filesystem::path folder;
  std::vector<std::string> names;   ///< of each file, from `folder` on
  std::vector<std::int64_t> bytes;  ///< of each file, as long as it was when it was listed
  bool orient = true;               ///< as decode_image's
  std::shared_ptr<const ImageCache> cache = {};  ///< of all of them, decoded; null: none

  std::int64_t count() const { return std::ssize(names); }
};

/// Decodes images of a streamed data set on several threads. At any time there are as many pictures
/// in memory as there are threads, and the batch that they go into.
class ImageReader {
 public:
  /// The window to show of an image of that index and size. An empty one: the central square.
  using ChooseWindow =
      std::function<Window(std::int64_t index, std::int64_t height, std::int64_t width)>;

  /// Changes the bytes of an image of that index.
  using Change = std::function<void(std::int64_t index, std::span<std::uint8_t> pixels)>;

  /// Keeps a reference to `dataset`. `threads` as ThreadPool's.
  ImageReader(const Dataset& dataset, int threads) : dataset_(dataset), pool_(threads) {}

  /// Brings the images of `indices`, from their cache where there is one and no windows are asked for,
  /// to the size of the data set's: `to` is (indices, height, width,
  /// channels). Without windows, by resize_and_crop: the bytes that load_image_folder would have
  /// held in memory. With them, by resize_window, and a JPEG is decoded 2, 4 or 8 times smaller where
  /// its window then still has twice as many pixels along each axis as are wanted; of a turned one,
  /// the window may then lie off by less than a pixel of what is wanted. What is read goes through
  /// `change`, if there is one. The same bytes for any number of threads.
  /// Errors    FileError: an image can't be read; of several, the first of `indices` is named.
  void read(std::span<const std::int64_t> indices, const ChooseWindow& window, const Change& change,
            std::uint8_t* to);

 private:
  void read_image(std::int64_t index, const ChooseWindow& window, std::span<std::uint8_t> to) const;
  Image decode(std::int64_t index, const ChooseWindow& window) const;

  const Dataset& dataset_;
  kernels::ThreadPool pool_;
};

}  // namespace trifold::nn
