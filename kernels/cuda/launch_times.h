/// The time that each kernel takes on the device, launch by launch: for bench/cuda_roofline, which
/// sets it beside the predicted one. Plain C++, no CUDA.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "kernels/runtime/device.h"

namespace trifold::kernels::cuda {

struct LaunchTimes {
  std::int64_t launches = 0;
  double seconds = 0;
};

/// From now on an event on its stream stands before and after every launch. Nothing waits for them:
/// kernels follow one another as ever. Not while a graph is captured.
void start_launch_times();

/// By the kernels' names. Where the host launches more slowly than the device works, a time holds
/// the wait for the launch, too: some microseconds.
/// Effects   waits for the device; launches are timed no more.
/// Errors    DeviceError: a kernel failed.
std::map<std::string, LaunchTimes> stop_launch_times(Device device);

}  // namespace trifold::kernels::cuda
