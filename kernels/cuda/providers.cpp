#include "kernels/cuda/providers.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/runtime/error.h"

namespace trifold::kernels::cuda {
namespace {

#if TRIFOLD_WITH_CUBLAS
constexpr bool has_cublas = true;
#else
constexpr bool has_cublas = false;
#endif
#if TRIFOLD_WITH_CUDNN
constexpr bool has_cudnn = true;
#else
constexpr bool has_cudnn = false;
#endif

}  // namespace

Providers parse_providers(std::string_view names) {
  Providers chosen;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    require<ConfigError>(name == "cublas" || name == "cudnn",
                         "TRIFOLD_CUDA_PROVIDER names '{}'; it takes cublas, cudnn or both", name);
    const bool is_cublas = name == "cublas";
    require<ConfigError>(is_cublas ? has_cublas : has_cudnn,
                         "TRIFOLD_CUDA_PROVIDER names {}, which this build doesn't have; configure "
                         "with TRIFOLD_CUDA=ON where it is installed, or name none",
                         name);
    (is_cublas ? chosen.cublas : chosen.cudnn) = true;
  }
  return chosen;
}

const Providers& providers() {
  static const Providers chosen = [] {
    const char* const names = std::getenv("TRIFOLD_CUDA_PROVIDER");
    return parse_providers(names == nullptr ? "" : names);
  }();
  return chosen;
}

}  // namespace trifold::kernels::cuda
