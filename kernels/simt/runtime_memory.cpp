/// The runtime API's memory: allocations, copies and fills, checked before they are made.
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "kernels/simt/arena.h"
#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"
#include "kernels/simt/streams.h"

namespace {

using namespace simt;

/// Page-locked host memory by its address.
std::map<const char*, std::size_t>& pinned() {
  static auto& all = *new std::map<const char*, std::size_t>;
  return all;
}

bool is_pinned(const void* p) {
  const auto* at = static_cast<const char*>(p);
  auto next = pinned().upper_bound(at);
  if (next == pinned().begin()) return false;
  --next;
  return at < next->first + next->second;
}

/// Reports a side of a copy that isn't where its kind says, or not inside one allocation.
bool side_fits(const char* side, const void* p, std::size_t bytes, bool on_device) {
  if (!on_device && !arena::contains(p)) return true;
  if (on_device && arena::holds(p, bytes)) return true;
  report(Fault::bad_copy,
         on_device ? text("the ", side, " of ", bytes, " bytes isn't inside one allocation: ",
                          arena::contains(p) ? arena::describe(p) : "it is host memory")
                   : text("the ", side, " is device memory, but the kind of copy says host"));
  return false;
}

bool copy_fits(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool any = kind == cudaMemcpyDefault;
  const bool to_device = any ? arena::contains(to)
                             : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = any ? arena::contains(from)
                               : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return side_fits("destination", to, bytes, to_device) &&
         side_fits("source", from, bytes, from_device);
}

void copy(void* to, const void* from, std::size_t bytes) {
  if (has_fault()) return;
  std::memmove(to, from, bytes);
  if (arena::contains(to) && arena::contains(from)) {
    shadow::copied(to, from, bytes);
  } else if (arena::contains(to)) {
    shadow::initialised(to, bytes);
  } else if (arena::contains(from)) {
    const void* bad = shadow::first_uninitialised(from, bytes);
    if (bad == nullptr) return;
    report(Fault::uninitialised,
           "a copy to the host reads what nothing has written: " + arena::describe(bad));
    set_fault(cudaErrorInvalidValue);
  }
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  *pointer = bytes == 0 ? nullptr : arena::allocate(bytes);
  return result(bytes > 0 && *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* pointer) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (pointer == nullptr) return result(cudaSuccess);
  finish_all_streams();
  return result(arena::release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t) {
  return cudaMalloc(pointer, bytes);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (pointer != nullptr && !arena::holds(pointer, 0)) return result(cudaErrorInvalidValue);
  push(stream_of(stream), [=] { arena::release(pointer); });
  return result(cudaSuccess);
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*pointer == nullptr) return result(cudaErrorMemoryAllocation);
  std::memset(*pointer, 0xff, bytes);
  pinned()[static_cast<const char*>(*pointer)] = bytes;
  return result(cudaSuccess);
}

cudaError_t cudaFreeHost(void* pointer) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (pointer == nullptr) return result(cudaSuccess);
  finish_all_streams();
  if (pinned().erase(static_cast<const char*>(pointer)) == 0) return result(cudaErrorInvalidValue);
  std::free(pointer);
  return result(cudaSuccess);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const auto lock = lock_runtime();
  *free_bytes = arena::capacity - arena::used_bytes();
  *total_bytes = arena::capacity;
  return result(cudaSuccess);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const auto lock = lock_runtime();
  if (spoils_capture()) return result(cudaErrorStreamCaptureUnsupported);
  const cudaError_t status = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  finish(stream_of(nullptr).everything());
  return status == cudaSuccess ? result(cudaSuccess) : status;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const auto lock = lock_runtime();
  if (bytes == 0) return result(cudaSuccess);
  if (!copy_fits(to, from, bytes, kind)) return result(cudaErrorInvalidValue);
  Stream& s = stream_of(stream);
  const bool from_pageable = !arena::contains(from) && !is_pinned(from);
  const bool to_pageable = !arena::contains(to) && !is_pinned(to);
  if (s.capture != nullptr && (from_pageable || to_pageable) && spoils_capture()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  if (from_pageable) {
    // Pageable memory is staged before the call returns.
    const auto* first = static_cast<const char*>(from);
    const auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    push(s, [=] { copy(to, staged->data(), bytes); });
  } else {
    push(s, [=] { copy(to, from, bytes); });
    if (to_pageable) finish(s.everything());
  }
  return result(cudaSuccess);
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  const auto lock = lock_runtime();
  if (bytes == 0) return result(cudaSuccess);
  if (!side_fits("destination", to, bytes, true)) return result(cudaErrorInvalidValue);
  push(stream_of(stream), [=] {
    if (has_fault()) return;
    std::memset(to, value, bytes);
    shadow::initialised(to, bytes);
  });
  return result(cudaSuccess);
}
