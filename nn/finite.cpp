#include "nn/finite.h"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.h"

namespace trifold::nn {

using engine::Tensor;

std::optional<std::int64_t> find_not_finite(const Tensor& values) {
  const Tensor host = values.device() == Device{} ? values : values.to(Device{});
  const auto found =
      std::ranges::find_if_not(host.values(), [](float v) { return std::isfinite(v); });
  if (found == host.values().end()) return std::nullopt;
  return found - host.values().begin();
}

void require_finite(const Network& network) {
  for (const Parameter& p : network.parameters()) {
    require<DivergedError>(!find_not_finite(p.var.value), "'{}' holds a value that is not finite",
                           p.name);
  }
}

}  // namespace trifold::nn
