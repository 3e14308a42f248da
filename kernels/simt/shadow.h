/// The memory checker's knowledge of every byte of device memory. It works for programs whose
/// kernels are compiled with the compiler's call-outs at memory accesses, and is idle in others.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simt/fiber.h"

namespace simt::shadow {

/// Called by the start-up code that the compiler adds to a checked source.
void enable();
bool enabled();

/// State of memory. Device memory is not addressable until allocated, not initialised until
/// written.
void allocated(const void* p, std::size_t bytes);
void freed(const void* p, std::size_t bytes);
void initialised(const void* p, std::size_t bytes);
void copied(const void* to, const void* from, std::size_t bytes);
const void* first_uninitialised(const void* p, std::size_t bytes);

/// Kernels may read their arguments where the launch keeps them.
void begin_launch(const void* arguments, std::size_t bytes);
void begin_block();
/// A thread goes on, in its block's interval between barriers and its warp's between
/// synchronisations.
void resume(unsigned thread, unsigned barrier_interval, unsigned warp_interval, const Stack& stack);
void pause();

struct Kind {
  bool write = false, atomic = false;
  bool aligned = true;        ///< whether the address has to be a multiple of the size
  bool profiled = true;       ///< whether it is a request of its own to the memory
  std::size_t alignment = 0;  ///< what it has to be a multiple of instead, for ld() and st()
};

/// One access by the running thread, from the instruction before `code`.
void access(const void* p, std::size_t bytes, Kind kind, const void* code);

void async_copy_issued(const void* to, std::size_t bytes, const void* code);
void async_copy_done(const void* to, std::size_t bytes);

}  // namespace simt::shadow
