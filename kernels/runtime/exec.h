/// How a kernel runs: the device, and the threads or the stream that it may use.
#pragma once

#include "kernels/runtime/device.h"

namespace trifold::kernels {

class ThreadPool;

/// What convolutions multiply in on a CUDA device's tensor cores; their sums are always float32,
/// and so are all arrays.
///   fp32  float32 on CUDA cores;
///   tf32  operands rounded to 11 significant bits, relative error 2^-11 each;
///   bf16  operands rounded to 8 significant bits, relative error 2^-8 each.
/// A hint: the CPU, CUDA devices before compute capability 8.0, and every other operation compute
/// in float32 whatever is asked.
enum class Precision { fp32, tf32, bf16 };

/// Passed to every kernel. Results never depend on the number of threads: every reduction is cut
/// into parts by its shape alone, and the parts are added in a fixed order.
struct Exec {
  Device device{};
  ThreadPool* pool = nullptr;  ///< CPU: threads to share the work; null runs on the caller alone.
  DeviceStream* stream = nullptr;         ///< CUDA: runs on it; null: on the main stream.
  Precision precision = Precision::fp32;  ///< CUDA: what convolutions multiply in.
};

/// Whether a kernel replaces what its output holds or adds to it.
enum class Write { overwrite, accumulate };

}  // namespace trifold::kernels
