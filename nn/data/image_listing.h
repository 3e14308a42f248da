/// Which files of an image folder are images, and of which class.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace trifold::nn {

/// The images of one split, and what else was met on the way.
struct ImageListing {
  std::vector<std::string> files;          // from the split's folder on, sorted within a class
  std::vector<std::int32_t> labels;        // of each file
  std::vector<std::string> other_formats;  // images that are neither JPEG nor PNG by their names
  std::vector<std::string> in_no_class;    // images that lie beside the class folders
  std::vector<std::string> empty_classes;  // class folders without images
};

/// The class folders of a split, sorted. Empty where there are none, or no such split.
/// Errors    FileError: it can't be listed, a name is not UTF-8.
std::vector<std::string> list_classes(const std::filesystem::path& split);

/// The images of a split by the order of `classes`, which are sorted.
/// Errors    FileError: a folder can't be listed, leads back to one it is in, or is not a class.
ImageListing list_images(const std::filesystem::path& split,
                         const std::vector<std::string>& classes);

/// "a; b; c; and 4 more": the first 20 of `items`.
std::string enumerate(const std::vector<std::string>& items);

}  // namespace trifold::nn
