/// The shared memory of the block that runs.
#pragma once

#include <string>

#include "kernels/simt/launch.h"

namespace simt::shared_memory {

/// Forgets the arrays of the block before and lays out the dynamic part. All bytes are 0xff, a NaN
/// for float types, until the kernel writes them. Each array has exactly the alignment that is
/// declared: its address is an odd multiple of that.
void begin_block(const Launch& launch);

/// "byte 12 of the shared array tile", for an address in shared memory.
std::string describe(const void* address);

/// Whether every band between arrays holds what it held; checked where the memory checker is off.
bool intact();

}  // namespace simt::shared_memory
