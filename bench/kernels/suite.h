/// The rows of the benchmark and what each of them shows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/kernels/memory_bandwidth.h"
#include "kernels/runtime/exec.h"
#include "kernels/runtime/thread_pool.h"

namespace trifold::bench {

/// A number of threads, and what the machine can do with it: measured when this is made.
struct Threads {
  Threads(int count, MemoryBandwidth& memory);

  kernels::ThreadPool pool;
  double flops_per_s;  ///< of multiply-adds, two each
  double bytes_per_s;  ///< of memory, two arrays read and one written
};

/// What a call has to do at least: multiply-adds count two, and an array that is read or written
/// counts once, however often a kernel goes over it.
struct Work {
  double flops = 0, bytes = 0;
  int reads = 2;  ///< arrays that are read for each that is written, about: 1 or 2
};

/// The work of `floats` elements that are read or written.
constexpr Work traffic(std::int64_t floats, int reads = 2) {
  return {0, static_cast<double>(sizeof(float)) * static_cast<double>(floats), reads};
}

/// A row is named op/shape/threads:N/variant; the variant may be empty.
struct Row {
  std::string op, shape, variant;
  Work work;
};

/// Makes what a row needs and returns the call to be timed. Only rows that run are prepared.
using Prepare = std::function<std::function<void()>(const kernels::Exec& ex)>;

struct Timed {
  Row row;
  Prepare prepare;
};

class Suite {
 public:
  /// Measures the bounds of each number of threads; they head the program's output. That of memory,
  /// which other machines on the same host share, is measured again before and after each row that
  /// it bounds.
  explicit Suite(const std::vector<int>& thread_counts);

  /// Registers rows for each number of threads; those that are given together follow each other.
  void add(const std::vector<Timed>& rows) const;
  void add(const Row& row, const Prepare& prepare) const { add({{row, prepare}}); }

 private:
  std::unique_ptr<MemoryBandwidth> memory_ = std::make_unique<MemoryBandwidth>();
  std::vector<std::unique_ptr<Threads>> threads_;
};

}  // namespace trifold::bench
