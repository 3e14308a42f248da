/// Labelled images, in memory or in files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trifold::nn {

struct ImageFiles;

/// Images of one size with a class each. Pixels stay bytes, a quarter of what floats would take;
/// the loader turns them into floats batch by batch. Where the images are streamed, it decodes them
/// then, too, and the data set knows their files alone.
struct Dataset {
  std::string name;
  std::vector<std::uint8_t> pixels;      // (count, height, width, channels); none if streamed
  std::vector<std::int32_t> labels;      // (count), each in [0, classes)
  std::vector<std::string> class_names;  // (classes); empty where the data has only numbers
  std::int64_t count = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t classes = 0;
  std::shared_ptr<const ImageFiles> files;  // where the images are streamed; else null
  std::vector<std::int64_t> file_of;        // (count), of each streamed image its place in `files`

  bool streamed() const { return files != nullptr; }
  std::int64_t image_bytes() const { return height * width * channels; }
  /// (height, width, channels) bytes of one image, which isn't streamed.
  const std::uint8_t* image(std::int64_t index) const {
    return pixels.data() + index * image_bytes();
  }
  std::int32_t label(std::int64_t index) const { return labels[static_cast<std::size_t>(index)]; }
};

/// Which splits of a data set to load.
enum class Splits { train, test, both };

inline bool wants_train(Splits splits) { return splits != Splits::test; }
inline bool wants_test(Splits splits) { return splits != Splits::train; }

struct DataSplits {
  Dataset train;  ///< a split that was not asked for stays empty
  Dataset test;
  std::vector<std::string>
      warnings;  ///< sentences on what was read or passed over in spite of faults
};

/// Errors    ShapeError: an extent < 1, a vector whose length differs from what the extents say, a
///           label outside [0, classes), a streamed image without a file.
void check(const Dataset& dataset);

/// CRC-32 of the pixels and then the labels, in this machine's order of bytes: tells whether a run that
/// goes on still has the images that it began with. Of streamed images, in place of the pixels, the
/// files' names and sizes, and how they are read.
std::uint32_t checksum(const Dataset& dataset);

/// The images of `indices`, in that order; an index may occur more than once.
/// Errors    ShapeError: an index outside [0, count).
Dataset subset(const Dataset& dataset, const std::vector<std::int64_t>& indices);

struct HeldOutSplit {
  Dataset train;
  Dataset held_out;
};

/// Sets `count` images aside for decisions that must not see the test set. Stratified: each class
/// gives its share count * n_class / n, rounded by largest remainder (ties go to the lower class).
/// Which images of a class are taken is a pure function of (seed, class, n_class); both parts keep
/// the order of `dataset`.
/// Errors    ConfigError: count < 1, or nothing would be left for training.
HeldOutSplit split_held_out(const Dataset& dataset, std::int64_t count, std::uint64_t seed);

}  // namespace trifold::nn
