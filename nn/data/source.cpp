#include "nn/data/source.h"

#include <cstdlib>

#include "kernels/runtime/error.h"
#include "nn/data/cifar.h"
#include "nn/data/idx.h"
#include "nn/data/memory_limit.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

constexpr const char* valid_sources =
    "fashion-mnist, cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR";

DataSplits load_fashion_mnist(std::int64_t memory_limit_bytes, Splits splits) {
  const char* chosen = std::getenv("TRIFOLD_FASHION_MNIST");
  const fs::path folder =
      chosen != nullptr && *chosen != '\0' ? chosen : "/usr/share/datasets/fashion-mnist";
  require<FileError>(fs::is_directory(folder),
                     "{}: Fashion-MNIST is not there; install it with `apt-get install "
                     "dataset-fashion-mnist`, or name its folder in TRIFOLD_FASHION_MNIST",
                     folder.string());
  return load_idx(folder, "fashion-mnist",
                  {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                   "Sneaker", "Bag", "Ankle boot"},
                  memory_limit_bytes, splits);
}

}  // namespace

DataSplits load_data(const std::string& source, const LoadOptions& options) {
  const std::int64_t limit =
      options.memory_limit_bytes > 0 ? options.memory_limit_bytes : default_memory_limit_bytes();
  if (source == "fashion-mnist") return load_fashion_mnist(limit, options.splits);

  const std::size_t colon = source.find(':');
  const std::string scheme = source.substr(0, colon);
  const bool known =
      scheme == "cifar10" || scheme == "cifar100" || scheme == "idx" || scheme == "folder";
  require<ConfigError>(known, "'{}' is not a data source: give {}", source, valid_sources);
  const fs::path folder = colon == std::string::npos ? "" : source.substr(colon + 1);
  require<ConfigError>(!folder.empty(), "'{}' names no folder: give {}:DIR", source, scheme);
  require<FileError>(fs::is_directory(folder), "{}: there is no such folder", folder.string());

  if (scheme == "cifar10") return load_cifar10(folder, limit, options.splits);
  if (scheme == "cifar100") return load_cifar100(folder, limit, options.splits);
  if (scheme == "idx") return load_idx(folder, "idx", {}, limit, options.splits);
  return load_image_folder(folder, options.image_folder, limit, options.splits);
}

}  // namespace trifold::nn
