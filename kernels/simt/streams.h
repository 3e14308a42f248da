/// Streams: queues of work with the order that events and CUDA's default stream impose.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
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

/// What a stream was given while it was captured: work to be done in this order, any number of times.
struct Graph {
  std::vector<std::function<void()>> work;
};

struct Stream {
  struct Work {
    std::function<void()> run;
    std::vector<Prefix> after;
  };
  std::deque<Work> waiting;
  std::uint64_t pushed = 0, done = 0;
  bool blocking = true;            ///< waits for the default stream, and it for this one
  std::shared_ptr<Graph> capture;  ///< where work goes instead of `waiting` while it isn't null

  Prefix everything() { return {this, pushed}; }
};

struct Event {
  Prefix recorded;
  double milliseconds = -1;
};

/// The stream of a handle: the default one for null.
Stream& stream_of(cudaStream_t handle);

/// Adds work, and does it at once unless streams are lazy. A stream that is captured keeps it.
void push(Stream& stream, std::function<void()> work, std::vector<Prefix> after = {});

/// Does the work of the prefix that isn't done yet, and whatever has to precede it.
void finish(Prefix prefix);
void finish_all_streams();

Stream* create_stream(bool blocking);
void destroy_stream(Stream& stream);

/// Whether a stream is being captured. A call that can't be made then asks this and fails with
/// cudaErrorStreamCaptureUnsupported, and so does the capture.
bool spoils_capture();

/// Held by every call of the runtime API. Recursive: host functions on a stream may call it.
std::unique_lock<std::recursive_mutex> lock_runtime();

/// Remembers an error for cudaGetLastError; after a fault in a kernel, that error is returned by
/// every call.
cudaError_t result(cudaError_t error);
void set_fault(cudaError_t error);
bool has_fault();

}  // namespace simt
