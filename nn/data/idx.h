/// IDX files, plain or compressed by gzip: the format of MNIST and its relatives.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nn/data/format.h"

namespace trifold::nn {

/// Reads {train,t10k}-images-idx3-ubyte and {train,t10k}-labels-idx1-ubyte, or those of the wanted
/// split alone. Unpackers write a dot before idx3 and idx1, some sets test for t10k, and each file
/// may be compressed and end in .gz; where a folder has several spellings, t10k comes before test,
/// then the dash before the dot, then the plain file. Images have one channel. A file is a
/// big-endian magic number (0x803 for images, 0x801 for labels), the extents as 32-bit integers
/// and the bytes; nothing may follow. Sizes are compared with what the file can hold before memory
/// is taken, so a compressed file can't blow up beyond what its header says.
///
/// `class_names` names the classes; where it is empty they have no names, and their number is one
/// more than the largest training label (without the training split: than the largest test label).
/// Errors    FileError: a missing file, a wrong magic number, an extent of 0, a wrong length,
///           damaged or cut-off gzip data, other numbers of images and labels, splits of different
///           image sizes, a label beyond the classes. ConfigError: more bytes than
///           `memory_limit_bytes`.
/// Source    http://yann.lecun.com/exdb/mnist, section "File formats".
DataSplits load_idx(const std::filesystem::path& folder, const std::string& name,
                    const std::vector<std::string>& class_names, std::int64_t memory_limit_bytes,
                    Splits splits = Splits::both);

/// The format idx:DIR. Its images are digits, mostly, which a mirror makes into nothing that there is.
DataFormat idx_format();

}  // namespace trifold::nn
