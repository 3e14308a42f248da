#include "nn/data/source.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/runtime/error.h"
#include "nn/data/cifar.h"
#include "nn/data/fashion_mnist.h"
#include "nn/data/idx.h"
#include "nn/data/image_folder.h"
#include "nn/data/memory_limit.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

// What stands before and behind the first colon, and whether there is one.
struct Source {
  std::string name, folder;
  bool colon;
};

Source split(const std::string& source) {
  const std::size_t colon = source.find(':');
  if (colon == std::string::npos) return {source, "", false};
  return {source.substr(0, colon), source.substr(colon + 1), true};
}

}  // namespace

const std::vector<DataFormat>& data_formats() {
  // A new format is a file beside this one and a line here.
  static const std::vector<DataFormat> all = {
      fashion_mnist_format(), cifar10_format(),      cifar100_format(),
      idx_format(),           image_folder_format(),
  };
  return all;
}

const DataFormat& data_format(const std::string& source) {
  const auto [name, folder, colon] = split(source);
  const auto found = std::ranges::find(data_formats(), name, &DataFormat::name);
  require<ConfigError>(found != data_formats().end() && (found->takes_folder || !colon),
                       "'{}' is not a data source: give {}", source, describe_data_formats());
  require<ConfigError>(!found->takes_folder || !folder.empty(), "'{}' names no folder: give {}:DIR",
                       source, name);
  return *found;
}

std::string describe_data_formats() {
  std::vector<std::string> texts;
  for (const DataFormat& format : data_formats()) {
    texts.push_back(
        fmt::format("{}{} ({})", format.name, format.takes_folder ? ":DIR" : "", format.help));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

DataSplits load_data(const std::string& source, const LoadOptions& options) {
  const DataFormat& format = data_format(source);
  const fs::path folder = split(source).folder;
  require<FileError>(!format.takes_folder || fs::is_directory(folder),
                     "{}: there is no such folder", folder.string());
  LoadOptions resolved = options;
  if (options.memory_limit_bytes <= 0) resolved.memory_limit_bytes = default_memory_limit_bytes();
  return format.load(folder, resolved);
}

}  // namespace trifold::nn
