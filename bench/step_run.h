/// One step of training on a CUDA device, by the kinds of kernels of bench/step_traffic.h: counted
/// under the emulator, or timed on a GPU.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bench/step_traffic.h"
#include "kernels/runtime/exec.h"

namespace trifold::bench {

/// A kind's launches in one step, and what the checking emulator has them move and multiply.
struct CountedKind {
  std::uint64_t launches = 0;
  double bytes = 0, tensor_macs = 0;
};

/// Errors    DeviceError: the kernels don't run under the emulator.
std::map<std::string, CountedKind> count_step(const nn::Graph& graph, std::int64_t side,
                                              std::int64_t batch, Fusion fusion);

/// A kind's launches in one step and their time, the mean of some steps.
struct TimedKind {
  double launches = 0, seconds = 0;
};

/// Errors    DeviceError: there is no CUDA device.
std::map<std::string, TimedKind> time_step(const nn::Graph& graph, std::int64_t side,
                                           std::int64_t batch, kernels::Precision precision);

}  // namespace trifold::bench
