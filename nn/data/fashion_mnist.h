/// Fashion-MNIST, as Debian packages it.
#pragma once

#include "nn/data/format.h"

namespace trifold::nn {

/// Reads the IDX files in the folder that the environment variable TRIFOLD_FASHION_MNIST names, else
/// from where Debian's package dataset-fashion-mnist puts them.
/// Errors    FileError: the folder is not there, and load_idx's.
DataFormat fashion_mnist_format();

}  // namespace trifold::nn
