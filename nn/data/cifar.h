/// CIFAR-10 and CIFAR-100 in their binary versions.
#pragma once

#include <filesystem>

#include "nn/data/format.h"

namespace trifold::nn {

/// Reads data_batch_1.bin ... data_batch_5.bin as the training split and test_batch.bin as the test
/// split. A record is a label byte and 32 x 32 pixels as three planes (red, green, blue), 3,073
/// bytes; a file holds any whole number of them. Class names come from batches.meta.txt where it
/// exists. Only the files of the wanted splits are read, or have to be there.
/// Errors    FileError: a file is missing, empty, not a whole number of records long, or has a
///           label outside its range (the text names the record); batches.meta.txt does not hold
///           10 names in UTF-8. ConfigError: more bytes than `memory_limit_bytes`.
/// Source    https://www.cs.toronto.edu/~kriz/cifar.html
DataSplits load_cifar10(const std::filesystem::path& folder, std::int64_t memory_limit_bytes,
                        Splits splits = Splits::both);

/// Reads train.bin and test.bin. A record has 3,074 bytes: the coarse label (checked, then left
/// out), the fine label, the pixels. Class names come from fine_label_names.txt; without it the
/// classes have no names.
/// Errors    as load_cifar10.
DataSplits load_cifar100(const std::filesystem::path& folder, std::int64_t memory_limit_bytes,
                         Splits splits = Splits::both);

/// The formats cifar10:DIR and cifar100:DIR.
DataFormat cifar10_format();
DataFormat cifar100_format();

}  // namespace trifold::nn
