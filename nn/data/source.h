/// Data sets by name, as the command line gives them.
#pragma once

#include <string>
#include <vector>

#include "nn/data/format.h"

namespace trifold::nn {

const std::vector<DataFormat>& data_formats();

/// The format of a source, which is NAME:DIR, or NAME where the format takes no folder.
/// Errors    ConfigError that lists the formats: another name; no folder, or one that isn't taken.
const DataFormat& data_format(const std::string& source);

/// The formats for people: "fashion-mnist (what it is), cifar10:DIR (...)".
std::string describe_data_formats();

/// Loads what `source` names.
/// Errors    data_format's. FileError: the data is missing or damaged.
DataSplits load_data(const std::string& source, const LoadOptions& options = {});

}  // namespace trifold::nn
