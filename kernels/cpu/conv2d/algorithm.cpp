#include "kernels/cpu/conv2d/algorithm.h"

#include <cstdlib>
#include <string_view>

#include "kernels/runtime/error.h"

namespace trifold::kernels::cpu {
namespace {

std::optional<Conv2dAlgorithm>& forced() {
  static std::optional<Conv2dAlgorithm> algorithm = []() -> std::optional<Conv2dAlgorithm> {
    const char* const variable = std::getenv("TRIFOLD_CONV2D");
    if (variable == nullptr || *variable == '\0') return std::nullopt;
    const std::string_view name = variable;
    require<ConfigError>(name == "direct" || name == "winograd",
                         "TRIFOLD_CONV2D is '{}'; set it to direct or winograd, or unset it", name);
    return name == "direct" ? Conv2dAlgorithm::direct : Conv2dAlgorithm::winograd;
  }();
  return algorithm;
}

}  // namespace

Conv2dAlgorithm conv2d_algorithm(const Conv2dShape& s, Conv2dPass pass) {
  const bool possible = s.r == 3 && s.s == 3 && s.stride_h == 1 && s.stride_w == 1;
  if (!possible) return Conv2dAlgorithm::direct;
  if (forced()) return *forced();
  const std::int64_t read = pass == Conv2dPass::backward_data ? s.k : s.c;
  const std::int64_t tiles = s.n * ((s.p() + 3) / 4) * ((s.q() + 3) / 4);
  const std::int64_t least_tiles =
      (pass == Conv2dPass::backward_weight ? 32 : 4) * (read < 8 ? 8 : 1);
  return read >= 5 && tiles >= least_tiles ? Conv2dAlgorithm::winograd : Conv2dAlgorithm::direct;
}

void force_conv2d_algorithm(std::optional<Conv2dAlgorithm> algorithm) { forced() = algorithm; }

}  // namespace trifold::kernels::cpu
