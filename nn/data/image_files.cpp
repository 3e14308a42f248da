#include "nn/data/image_files.h"

#include <algorithm>

#include "kernels/runtime/error.h"
#include "nn/data/image_cache.h"

namespace trifold::nn {
namespace {

/// How many times smaller a picture may be decoded whose window is brought to side x side.
int shrink_for(const Window& window, std::int64_t side) {
  const double least = 2 * static_cast<double>(side);
  int shrink = 8;
  while (shrink > 1 && std::min(window.height, window.width) < shrink * least) shrink /= 2;
  return shrink;
}

}  // namespace

void ImageReader::read(std::span<const std::int64_t> indices, const ChooseWindow& window,
                       const Change& change, std::uint8_t* to) {
  std::vector<std::string> failures(indices.size());  // of each image; empty: none
  pool_.parallel_for(std::ssize(indices), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::span pixels(to + i * dataset_.image_bytes(),
                             static_cast<std::size_t>(dataset_.image_bytes()));
      try {
        read_image(indices[at], window, pixels);
        if (change) change(indices[at], pixels);
      } catch (const FileError& failure) {
        failures[at] = failure.what();
      }
    }
  });
  const auto failed = std::ranges::find_if(failures, [](const auto& text) { return text != ""; });
  if (failed != failures.end()) throw FileError(fmt::format("{}; mend or remove it", *failed));
}

void ImageReader::read_image(std::int64_t index, const ChooseWindow& window,
                             std::span<std::uint8_t> to) const {
  const ImageFiles& files = *dataset_.files;
  if (files.cache && !window) {
    files.cache->read(dataset_.file_of[static_cast<std::size_t>(index)], to);
    return;
  }
  std::ranges::copy(decode(index, window).pixels, to.begin());
}

Image ImageReader::decode(std::int64_t index, const ChooseWindow& window) const {
  const ImageFiles& files = *dataset_.files;
  const auto file = static_cast<std::size_t>(dataset_.file_of[static_cast<std::size_t>(index)]);
  const std::filesystem::path path = files.folder / files.names[file];
  const std::int64_t side = dataset_.height;
  if (!window) {
    return resize_and_crop(decode_image(path, dataset_.channels, files.orient).image, side);
  }
  const DecodedImage read = decode_image(path, dataset_.channels, files.orient,
                                         [&](std::int64_t height, std::int64_t width) {
                                           return shrink_for(window(index, height, width), side);
                                         });
  Window shown = window(index, read.height, read.width);
  for (double* extent : {&shown.top, &shown.left, &shown.height, &shown.width}) {
    *extent /= read.shrink;  // exact
  }
  return resize_window(read.image, shown, side);
}

}  // namespace trifold::nn
