/// Where memory lives and kernels run.
#pragma once

#include <cstdint>

namespace trifold {

enum class DeviceKind { cpu, cuda };

/// One device of the machine. `index` counts the devices of a kind and is 0 for the CPU.
struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

}  // namespace trifold
