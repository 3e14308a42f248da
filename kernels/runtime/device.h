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

namespace kernels {

/// Handles of what a device has beside memory. The backend that made one alone knows what it points
/// to: these types are never defined.
struct DeviceStream;  ///< runtime/stream.h
struct DeviceEvent;   ///< runtime/stream.h
struct DeviceGraph;   ///< runtime/graph.h

}  // namespace kernels
}  // namespace trifold
