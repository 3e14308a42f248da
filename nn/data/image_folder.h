/// Image folders: one folder a class.
#pragma once

#include <cstdint>
#include <filesystem>

#include "kernels/runtime/error_types.h"
#include "nn/data/format.h"

namespace trifold::nn {

/// More images can't be read than may be passed over.
class BadImagesError : public FileError {
 public:
  BadImagesError(std::int64_t bad, const std::string& text) : FileError(text), count(bad) {}
  std::int64_t count;
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
/// Images that are to be streamed (`stream_above_bytes` of both wanted splits together) are listed
/// alone, and in memory neither limited nor judged: ImageReader reads them. None can be passed over.
/// With a `cache` they are decoded once, into files there.
///
/// The warnings tell of: damaged images that could be read all the same, images passed over by
/// `skip_bad`, images of other formats, images that are in no class folder, classes without a test
/// image. Each names the first 20.
/// Errors    FileError: a missing folder, no class folders, a class folder without training images,
///           a split without images, a test class that is not a training class, a class name that
///           is not UTF-8, a link that leads back to a folder it is in, all images of one class that
///           can't be read. BadImagesError: more than `skip_bad` images that can't be read (the first
///           20 are named). ConfigError: more bytes than `memory_limit_bytes`, an unusable side or
///           number of channels, `skip_bad` of streamed images. ImageCache::open's.
DataSplits load_image_folder(const std::filesystem::path& folder, const ImageFolderOptions& options,
                             std::int64_t memory_limit_bytes, Splits splits = Splits::both);

/// The format folder:DIR.
DataFormat image_folder_format();

}  // namespace trifold::nn
