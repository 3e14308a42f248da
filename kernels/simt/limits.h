/// What the device that is claimed lets a kernel have. Source: CUDA C++ Programming Guide, section
/// "Compute Capabilities".
#pragma once

#include <cstddef>
#include <string>

#include "kernels/simt/launch.h"

namespace simt {

/// Of settings().capability, or of the newest one known below it.
struct DeviceLimits {
  int capability;
  std::size_t shared_opt_in;  ///< bytes that a block may have, if asked for
  std::size_t shared_per_multiprocessor;
  int threads_per_multiprocessor;
};
const DeviceLimits& device_limits();

/// Bytes of shared memory that a block may have without asking.
inline constexpr std::size_t shared_by_default = 48 * 1024;

/// Bytes of static shared memory that a kernel is known to hold. The emulator learns them as blocks
/// run.
std::size_t static_shared_bytes(const void* kernel);

/// Whether a block of the launch may hold so much static shared memory, which is known from then
/// on, beside its dynamic memory: after allow_shared() has asked for it, where the launch asks.
bool shared_memory_fits(const Launch& launch, std::size_t static_bytes);
/// What is wrong where it doesn't.
std::string shared_memory_refused(const Launch& launch);

}  // namespace simt
