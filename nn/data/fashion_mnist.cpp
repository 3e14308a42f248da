#include "nn/data/fashion_mnist.h"

#include <cstdlib>

#include "kernels/runtime/error.h"
#include "nn/data/idx.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

DataSplits load_fashion_mnist(const fs::path&, const LoadOptions& options) {
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
                  options.memory_limit_bytes, options.splits);
}

}  // namespace

DataFormat fashion_mnist_format() {
  return {.name = "fashion-mnist",
          .help = "Debian's package dataset-fashion-mnist",
          .takes_folder = false,
          .load = load_fashion_mnist};
}

}  // namespace trifold::nn
