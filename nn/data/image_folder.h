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
};

/// Reads FOLDER/train/CLASS/* as the training split and FOLDER/test/CLASS/*, or FOLDER/val/CLASS/*
/// where there is no test folder, as the test split. Images are the files ending in .jpg, .jpeg or
/// .png (any case); others are passed over. Each is decoded (decode_image) and brought to size
/// (resize_and_crop). Classes are numbered in the order of their names (bytes), images in the order
/// of their file names, whatever order the file system gives.
/// Errors    FileError: a missing folder, no class folders, a class folder without images, a test
///           class that is not a training class, an image that can't be decoded. ConfigError: more
///           bytes than `memory_limit_bytes`, an unusable side or number of channels.
DataSplits load_image_folder(const std::filesystem::path& folder, const ImageFolderOptions& options,
                             std::int64_t memory_limit_bytes);

}  // namespace trifold::nn
