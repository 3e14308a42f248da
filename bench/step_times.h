/// The time that a GPU needs at least for a launch: from the bytes and products of its shapes, and
/// from the machine code of its kernel.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/step_traffic.h"

namespace trifold::bench {

/// What a GPU's data sheet says of it.
struct Gpu {
  const char* name;
  int code;  ///< the architecture whose machine code is taken for its own
  double multiprocessors, clock;
  double tensor_macs_per_s;  ///< in bf16, dense
  double bytes_per_s, cache_bytes;
};

/// NVIDIA H100 SXM5 and A100 SXM4 80 GB. The clocks are those of the data sheets' fp32 peaks: 67
/// TFLOP/s from 132 multiprocessors of 128 lanes, and 19.5 from 108 of 64.
inline constexpr Gpu h100{"H100", 90, 132, 1.98e9, 990e12 / 2, 3.35e12, 50e6};
inline constexpr Gpu a100{"A100", 80, 108, 1.41e9, 312e12 / 2, 2.04e12, 40e6};

/// What all warps of a launch issue.
struct Issued {
  double instructions = 0;
  double wavefronts = 0;  ///< of shared memory, 128 bytes each, without bank conflicts
};

/// The loops of kernels' machine code, as bench/cuda_static.py --loops counts them.
class MachineCode {
 public:
  /// Errors    FileError: the file can't be read, or isn't such a one.
  explicit MachineCode(const std::filesystem::path& file);

  /// In bf16. Every warp is taken through what is outside the loops once, through the loops that
  /// multiply as often as the launch has it, and through others beside them in a loop over tiles
  /// once a tile. Other loops, which set up a tile's rows or add up its sums, are left out, for how
  /// often they turn isn't in the code: it is the least that is issued.
  /// Errors    FileError: the file has no such kernel.
  Issued issued(const Kernel& kernel, int architecture) const;

 private:
  struct Part {
    std::int64_t number = 0, within = 0;
    bool multiplies = false;
    Issued turn;
  };

  std::filesystem::path file_;
  std::map<std::string, std::vector<Part>> parts_;  // by architecture and kernel
};

enum class Bound { issue, tensor, shared, cache, memory, launch };
inline constexpr std::array bound_names{"issue", "tensor", "shared", "L2", "DRAM", "launch"};

/// Seconds of a launch by each bound, in the order of Bound; it takes as long as the longest.
struct LaunchTime {
  std::array<double, bound_names.size()> seconds{};

  double longest() const;
  Bound bound() const;
};

/// Of a step's launches one after the other, the L2 cache keeping what was used last.
///   issue    four instructions a clock and multiprocessor;
///   tensor   multiply-adds in whole tiles at the peak;
///   shared   a wavefront a clock and multiprocessor;
///   cache    every array once: 5120 bytes a clock, which NVIDIA's paper on the A100's architecture
///            has for its reads (V1.0, "A100 L2 cache"), taken for the H100 too, of which it isn't
///            published;
///   memory   what the cache doesn't have (bytes_found_in_cache);
///   launch   2.5 us, of the 2 to 3 that one launch follows another in.
/// The first three are those of the multiprocessor that gets the most blocks. The kernels that
/// don't multiply have neither of them: they move 16 bytes a thread with some tens of instructions,
/// a tenth of what a GPU issues in that time.
std::vector<LaunchTime> step_times(const std::vector<Launch>& launches, const Gpu& gpu,
                                   const MachineCode& code);

}  // namespace trifold::bench
