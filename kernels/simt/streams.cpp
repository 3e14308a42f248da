#include "kernels/simt/streams.h"

#include "kernels/simt/emulator.h"

namespace simt {
namespace {

struct Streams {
  Stream default_stream;
  std::vector<std::unique_ptr<Stream>> others;
};

Streams& streams() {
  static Streams& s = *new Streams;  // Never destroyed: static destructors may synchronise.
  return s;
}

}  // namespace

Stream& stream_of(cudaStream_t handle) {
  return handle == nullptr ? streams().default_stream : *reinterpret_cast<Stream*>(handle);
}

void push(Stream& stream, std::function<void()> work, std::vector<Prefix> after) {
  if (stream.capture != nullptr) {
    stream.capture->work.push_back(std::move(work));
    return;
  }
  Stream& first = streams().default_stream;
  if (&stream == &first) {
    for (const auto& other : streams().others) {
      if (other->blocking) after.push_back(other->everything());
    }
  } else if (stream.blocking) {
    after.push_back(first.everything());
  }
  stream.waiting.push_back({std::move(work), std::move(after)});
  ++stream.pushed;
  if (!settings().lazy_streams) finish(stream.everything());
}

void finish(Prefix prefix) {
  Stream& stream = *prefix.stream;
  while (stream.done < prefix.count && !stream.waiting.empty()) {
    const Stream::Work work = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    ++stream.done;
    for (const Prefix& p : work.after) finish(p);
    work.run();
  }
}

void finish_all_streams() {
  finish(streams().default_stream.everything());
  for (const auto& stream : streams().others) finish(stream->everything());
}

Stream* create_stream(bool blocking) {
  streams().others.push_back(std::make_unique<Stream>());
  streams().others.back()->blocking = blocking;
  return streams().others.back().get();
}

void destroy_stream(Stream& stream) {
  // Kept, but empty: events may still name it.
  finish(stream.everything());
  stream.blocking = false;
}

std::unique_lock<std::recursive_mutex> lock_runtime() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;
  return std::unique_lock(mutex);
}

}  // namespace simt
