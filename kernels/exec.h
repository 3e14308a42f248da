/// How a kernel runs: the device, and the threads or the stream that it may use.
#pragma once

#include "kernels/device.h"

namespace trifold::kernels {

class ThreadPool;

/// Passed to every kernel. Results never depend on the number of threads: every reduction is cut
/// into parts by its shape alone, and the parts are added in a fixed order.
struct Exec {
  Device device{};
  ThreadPool* pool = nullptr;  ///< CPU: threads to share the work; null runs on the caller alone.
  void* stream = nullptr;      ///< CUDA: the cudaStream_t to run on.
};

/// Whether a kernel replaces what its output holds or adds to it.
enum class Write { overwrite, accumulate };

}  // namespace trifold::kernels
