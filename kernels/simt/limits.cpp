#include "kernels/simt/limits.h"

#include <algorithm>
#include <array>
#include <map>

#include "kernels/simt/allow_shared.h"
#include "kernels/simt/emulator.h"
#include "kernels/simt/report.h"
#include "kernels/simt/streams.h"

namespace simt {
namespace {

constexpr std::size_t kib = 1024;

constexpr std::array<DeviceLimits, 10> devices{{{60, 48 * kib, 64 * kib, 2048},
                                                {70, 96 * kib, 96 * kib, 2048},
                                                {75, 64 * kib, 64 * kib, 1024},
                                                {80, 163 * kib, 164 * kib, 2048},
                                                {86, 99 * kib, 100 * kib, 1536},
                                                {87, 163 * kib, 164 * kib, 1536},
                                                {89, 99 * kib, 100 * kib, 1536},
                                                {90, 227 * kib, 228 * kib, 2048},
                                                {100, 227 * kib, 228 * kib, 2048},
                                                {120, 99 * kib, 100 * kib, 1536}}};

struct Held {
  std::size_t static_bytes = 0;
  std::size_t asked = 0;  ///< dynamic bytes; 0: nothing was asked for
};

Held& held_by(const void* kernel) {
  static auto& all = *new std::map<const void*, Held>;
  return all[kernel];
}

bool fits(const Held& held, std::size_t dynamic_bytes) {
  if (held.static_bytes > shared_by_default) return false;
  if (held.asked == 0) return held.static_bytes + dynamic_bytes <= shared_by_default;
  return dynamic_bytes <= held.asked &&
         held.static_bytes + held.asked <= device_limits().shared_opt_in;
}

}  // namespace

const DeviceLimits& device_limits() {
  const auto above = std::find_if(devices.begin() + 1, devices.end(), [](const DeviceLimits& d) {
    return d.capability > settings().capability;
  });
  return *(above - 1);
}

std::size_t static_shared_bytes(const void* kernel) { return held_by(kernel).static_bytes; }

bool shared_memory_fits(const Launch& launch, std::size_t static_bytes) {
  Held& held = held_by(launch.kernel);
  held.static_bytes = std::max(held.static_bytes, static_bytes);
  if (fits(held, launch.dynamic_shared_bytes)) return true;
  return launch.asks && allow_shared(launch.kernel, launch.dynamic_shared_bytes) == cudaSuccess &&
         fits(held, launch.dynamic_shared_bytes);
}

std::string shared_memory_refused(const Launch& launch) {
  const Held& held = held_by(launch.kernel);
  return text(kernel_name(launch.kernel), ": ", held.static_bytes, " bytes of static and ",
              launch.dynamic_shared_bytes, " of dynamic shared memory, of which ", held.asked,
              " were asked for, are more than a block may have: ", shared_by_default,
              " unless asked for, and ", device_limits().shared_opt_in, " at compute capability ",
              settings().capability);
}

}  // namespace simt

using simt::result;

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  const auto lock = simt::lock_runtime();
  const simt::Held& held = simt::held_by(kernel);
  *attributes = {.sharedSizeBytes = held.static_bytes,
                 .maxDynamicSharedSizeBytes = static_cast<int>(
                     held.asked > 0 ? held.asked : simt::shared_by_default - held.static_bytes)};
  return result(cudaSuccess);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const auto lock = simt::lock_runtime();
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return result(cudaSuccess);
  simt::Held& held = simt::held_by(kernel);
  if (value < 0 ||
      held.static_bytes + static_cast<std::size_t>(value) > simt::device_limits().shared_opt_in) {
    return result(cudaErrorInvalidValue);
  }
  held.asked = static_cast<std::size_t>(value);
  return result(cudaSuccess);
}
