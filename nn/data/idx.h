/// IDX files, plain or compressed by gzip: the format of MNIST and its relatives.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nn/data/dataset.h"

namespace trifold::nn {

/// Reads {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, each plain or with the
/// ending .gz (the plain file is taken where both exist). Images have one channel. A file is a
/// big-endian magic number (0x803 for images, 0x801 for labels), the extents as 32-bit integers
/// and the bytes; nothing may follow. Sizes are compared with what the file can hold before memory
/// is taken, so a compressed file can't blow up beyond what its header says.
///
/// `class_names` names the classes; where it is empty they are the numbers from 0 to the largest
/// training label.
/// Errors    FileError: a missing file, a wrong magic number, an extent of 0, a wrong length,
///           damaged or cut-off gzip data, other numbers of images and labels, splits of different
///           image sizes, a label beyond the classes. ConfigError: more bytes than
///           `memory_limit_bytes`.
/// Source    http://yann.lecun.com/exdb/mnist, section "File formats".
DataSplits load_idx(const std::filesystem::path& folder, const std::string& name,
                    const std::vector<std::string>& class_names, std::int64_t memory_limit_bytes);

}  // namespace trifold::nn
