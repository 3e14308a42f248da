/// Data sets by name, as the command line gives them.
#pragma once

#include <cstdint>
#include <string>

#include "nn/data/dataset.h"
#include "nn/data/image_folder.h"

namespace trifold::nn {

struct LoadOptions {
  std::int64_t memory_limit_bytes = 0;  ///< Of all pixels together; 0 is half of the memory.
  ImageFolderOptions image_folder;      ///< Used by folder:DIR alone.
  Splits splits = Splits::both;         ///< The files of another split are not read.
};

/// Loads what `source` names:
///   fashion-mnist  from the folder in the environment variable TRIFOLD_FASHION_MNIST, else from
///                  where Debian's package dataset-fashion-mnist puts it
///   cifar10:DIR    load_cifar10        cifar100:DIR   load_cifar100
///   idx:DIR        load_idx            folder:DIR     load_image_folder
/// Errors    ConfigError: another name (the text lists the valid ones), a missing DIR. FileError:
///           the data is missing or damaged.
DataSplits load_data(const std::string& source, const LoadOptions& options = {});

}  // namespace trifold::nn
