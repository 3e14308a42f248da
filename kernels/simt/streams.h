/// Streams: queues of work with the order that events and CUDA's default stream impose.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/simt/toolkit/cuda_runtime.h"

namespace simt {

/// A stream's first `count` pieces of work.
struct Prefix {
  struct Stream* stream = nullptr;
  std::uint64_t count = 0;
};

struct Stream {
  struct Work {
    std::function<void()> run;
    std::vector<Prefix> after;
  };
  std::deque<Work> waiting;
  std::uint64_t pushed = 0, done = 0;
  bool blocking = true;  ///< waits for the default stream, and it for this one

  Prefix everything() { return {this, pushed}; }
};

struct Event {
  Prefix recorded;
  double milliseconds = -1;
};

/// The stream of a handle: the default one for null.
Stream& stream_of(cudaStream_t handle);

/// Adds work, and does it at once unless streams are lazy.
void push(Stream& stream, std::function<void()> work, std::vector<Prefix> after = {});

/// Does the work of the prefix that isn't done yet, and whatever has to precede it.
void finish(Prefix prefix);
void finish_all_streams();

Stream* create_stream(bool blocking);
void destroy_stream(Stream& stream);

/// Held by every call of the runtime API. Recursive: host functions on a stream may call it.
std::unique_lock<std::recursive_mutex> lock_runtime();

/// Remembers an error for cudaGetLastError; after a fault in a kernel, that error is returned by
/// every call.
cudaError_t result(cudaError_t error);
void set_fault(cudaError_t error);
bool has_fault();

}  // namespace simt
