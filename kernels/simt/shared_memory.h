/// The shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <string>

namespace simt::shared_memory {

/// Forgets the arrays of the block before and lays out the dynamic part. All bytes are 0xff, a NaN
/// for float types, until the kernel writes them.
void begin_block(std::size_t dynamic_bytes);

/// "byte 12 of the shared array tile", for an address in shared memory.
std::string describe(const void* address);

/// Whether every band between arrays holds what it held; checked where the memory checker is off.
bool intact();

}  // namespace simt::shared_memory
