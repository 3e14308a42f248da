#include "kernels/simt/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/limits.h"
#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"

namespace simt {
namespace shared_memory {
namespace {

constexpr std::size_t band = 128;
constexpr unsigned char canary = 0xfa;

struct Array {
  const void* key;
  char* data;
  std::size_t bytes;
  std::string name;
};

std::vector<Array> arrays;
std::size_t top = 0, static_bytes = 0;
const Launch* launched = nullptr;

std::size_t round_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

void* place(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  const std::size_t at = round_up(top, 2 * alignment) + alignment;
  char* data = arena::shared_base() + at;
  std::memset(arena::shared_base() + top, canary, at - top);
  std::memset(data, 0xff, bytes);
  std::memset(data + bytes, canary, band);
  shadow::allocated(data, bytes);
  top = at + bytes + band;
  arrays.push_back({key, data, bytes, name});
  return data;
}

}  // namespace

void begin_block(const Launch& launch) {
  launched = &launch;
  for (const Array& a : arrays) shadow::freed(a.data, a.bytes);
  arrays.clear();
  top = static_bytes = 0;
  std::memset(arena::shared_base(), canary, band);
  top = band;
  if (launch.dynamic_shared_bytes > 0) {
    place(nullptr, launch.dynamic_shared_bytes, 16, "dynamic shared memory");
  }
}

std::string describe(const void* address) {
  const auto* at = static_cast<const char*>(address);
  for (const Array& a : arrays) {
    if (at >= a.data && at < a.data + a.bytes) {
      return text("byte ", at - a.data, " of the shared array ", a.name, " of ", a.bytes, " bytes");
    }
  }
  for (const Array& a : arrays) {
    if (at >= a.data + a.bytes && at < a.data + a.bytes + band) {
      return text(at - a.data - static_cast<std::ptrdiff_t>(a.bytes),
                  " bytes past the end of the shared array ", a.name, " of ", a.bytes, " bytes");
    }
  }
  return "shared memory outside every array";
}

bool intact() {
  if (shadow::enabled()) return true;
  const auto is_canary = [](char c) { return static_cast<unsigned char>(c) == canary; };
  return std::all_of(arrays.begin(), arrays.end(), [&](const Array& a) {
    return std::all_of(a.data + a.bytes, a.data + a.bytes + band, is_canary);
  });
}

}  // namespace shared_memory

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  using namespace shared_memory;
  for (const Array& a : arrays) {
    if (a.key == key) return a.data;
  }
  static_bytes = round_up(static_bytes, alignment) + bytes;
  if (!shared_memory_fits(*launched, static_bytes)) {
    the_block().fail(Fault::bad_launch, shared_memory_refused(*launched));
  }
  return place(key, bytes, alignment, name);
}

void* dynamic_shared_memory() {
  using namespace shared_memory;
  if (arrays.empty() || arrays.front().key != nullptr) {
    the_block().fail(Fault::bad_launch,
                     "the kernel uses dynamic shared memory, but was launched with none");
  }
  return arrays.front().data;
}

}  // namespace simt
