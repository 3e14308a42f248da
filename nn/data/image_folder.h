/// Image folders: one folder a class.
#pragma once

#include <cstdint>
#include <filesystem>

#include "nn/data/dataset.h"

namespace trifold::nn {

struct ImageFolderOptions {
  std::int64_t side = 224;    ///< Every image becomes side x side pixels.
  std::int64_t channels = 3;  ///< 3 (colour) or 1 (grey).
  int threads = 0;            ///< For decoding; 0 takes one a processor.
  bool orient = true;         ///< Turns images as their EXIF data says; else as they are stored.
  std::int64_t skip_bad = 0;  ///< Images that may be passed over because they can't be read.
};

/// Reads FOLDER/train/CLASS/** as the training split and FOLDER/test/CLASS/**, or FOLDER/val/CLASS/**
/// where there is no test folder, as the test split. Images are the files ending in .jpg, .jpeg or
/// .png (any case), in folders below that of their class as well. Names that begin with a dot are
/// hidden: such files and folders are passed over. Each image is decoded (decode_image) and brought
/// to size (resize_and_crop). Classes are numbered in the order of their names (bytes), images in
/// the order of their paths, whatever order the file system gives.
///
/// The classes are the folders in FOLDER/train, whichever split is wanted, so that their numbers
/// are the same for both; where there are none, those of the test split. Images are read of the
/// wanted splits alone.
///
/// The warnings tell of: damaged images that could be read all the same, images passed over by
/// `skip_bad`, images of other formats, images that are in no class folder, classes without a test
/// image. Each names the first 20.
/// Errors    FileError: a missing folder, no class folders, a class folder without training images,
///           a split without images, a test class that is not a training class, a class name that
///           is not UTF-8, a link that leads back to a folder it is in, more than `skip_bad` images
///           that can't be read (the first 20 are named), or all of one class. ConfigError: more
///           bytes than `memory_limit_bytes`, an unusable side or number of channels.
DataSplits load_image_folder(const std::filesystem::path& folder, const ImageFolderOptions& options,
                             std::int64_t memory_limit_bytes, Splits splits = Splits::both);

}  // namespace trifold::nn
