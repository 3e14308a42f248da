/// Device memory: one range of addresses, first the shared memory of a block, then allocations with
/// bands between them.
#pragma once

#include <cstddef>
#include <string>

namespace simt::arena {

inline constexpr std::size_t extent_bytes = std::size_t{16} << 30;
inline constexpr std::size_t shared_bytes = std::size_t{1} << 20;
/// What the device claims to have.
inline constexpr std::size_t capacity = std::size_t{8} << 30;

char* base();
inline char* shared_base() { return base(); }
inline bool contains(const void* p) {
  return static_cast<std::size_t>(static_cast<const char*>(p) - base()) < extent_bytes;
}
inline bool is_shared(const void* p) {
  return static_cast<std::size_t>(static_cast<const char*>(p) - base()) < shared_bytes;
}

/// Memory aligned to 256 bytes and no better, every byte 0xff: a NaN for float types. Null where
/// none is left.
void* allocate(std::size_t bytes);

/// False if no live allocation begins at `data`. With the memory checker on, the addresses are used
/// again only when all others have been.
bool release(void* data);

/// Whether [p, p + bytes) lies in one live allocation.
bool holds(const void* p, std::size_t bytes);

/// Whether p lies in an allocation that was freed.
bool was_freed(const void* p);

/// "byte 12 of the 64-byte allocation 0x...", or where p lies beside one.
std::string describe(const void* p);

/// Reports allocations whose bands were written to, where the memory checker is off.
void check_bands(const char* when);

std::size_t used_bytes();

}  // namespace simt::arena
