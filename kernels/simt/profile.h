/// Counters of what kernels ask of the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simt {

struct Launch;

/// Sums over the launches of one kernel while settings().profile was on. The memory counters need
/// the memory checker; the others are counted without it too. Products on CUDA cores are not
/// counted: the compiler has no call-out for arithmetic.
struct Profile {
  std::string kernel;
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  std::uint64_t barriers = 0;     ///< that blocks waited at, summed over blocks
  std::uint64_t tensor_fmas = 0;  ///< multiply-adds of mma instructions

  /// One request is one instruction of one warp. A global one takes as many sectors of 32 bytes as
  /// its lanes touch; ideal is the number that its bytes would fill.
  struct Global {
    std::uint64_t requests = 0, bytes = 0, sectors = 0, ideal_sectors = 0;
  } loads, stores;

  /// A shared one takes as many wavefronts as the busiest of the 32 banks has words to move; ideal
  /// is the number without conflicts.
  struct Shared {
    std::uint64_t requests = 0, wavefronts = 0, ideal_wavefronts = 0;
  } shared_loads, shared_stores;

  /// Distinct sectors that launches read before writing them, and that they wrote, in bytes: what
  /// an unbounded cache, empty at each launch, would move.
  std::uint64_t dram_read_bytes = 0, dram_written_bytes = 0;
};

/// In the order of first launch.
std::vector<Profile> profiles();
void clear_profiles();

namespace profile {

bool active();
void begin_launch(const Launch& launch);
void begin_block();
void end_block();
void end_launch(std::uint64_t barriers);
void memory_access(std::size_t offset, std::size_t bytes, bool write, bool global,
                   const void* code);
void tensor_product(std::uint64_t fmas);

}  // namespace profile
}  // namespace simt
