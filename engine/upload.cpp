#include "engine/upload.h"

#include "kernels/runtime/stream.h"

namespace trifold::engine {

Upload::Upload(Device device) : device_(device), copies_(kernels::create_stream(device)) {
  for (Slot& slot : slots_) {
    slot.copied = kernels::create_event(device);
    slot.used = kernels::create_event(device);
  }
}

Upload::~Upload() {
  kernels::destroy_stream(device_, copies_);  // waits for the copies
  for (Slot& slot : slots_) {
    kernels::destroy_event(device_, slot.copied);
    kernels::destroy_event(device_, slot.used);
    if (slot.staging.data != nullptr) kernels::release_staging(device_, slot.staging);
  }
}

void Upload::make_room(Slot& slot, std::int64_t bytes) {
  if (slot.staging.bytes >= bytes) return;
  if (slot.staging.data != nullptr) kernels::release_staging(device_, slot.staging);
  slot.staging = {};
  slot.staging = kernels::allocate_staging(device_, bytes);
  slot.data = Buffer(device_, bytes);
  // Work on the main stream may still use the memory that has now come to this buffer.
  kernels::record_event(device_, slot.used, nullptr);
}

void Upload::begin(std::int64_t bytes, const std::function<void(std::byte* to)>& fill) {
  Slot& slot = slot_of(begun_);
  kernels::synchronize_event(device_, slot.copied);  // the host's memory is free again
  make_room(slot, bytes);
  fill(static_cast<std::byte*>(slot.staging.data));
  kernels::wait_for_event(device_, copies_, slot.used);
  kernels::copy_from_staging(device_, slot.data.data(), slot.staging.data, bytes, copies_);
  kernels::record_event(device_, slot.copied, copies_);
  ++begun_;
}

const std::byte* Upload::take() {
  Slot& slot = slot_of(taken_++);
  kernels::wait_for_event(device_, nullptr, slot.copied);
  return static_cast<const std::byte*>(slot.data.data());
}

void Upload::done() { kernels::record_event(device_, slot_of(taken_ - 1).used, nullptr); }

}  // namespace trifold::engine
