/// One thread block: its threads as fibers that take turns, their barriers and warps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/simt/async_copy.h"
#include "kernels/simt/device.h"
#include "kernels/simt/emulator.h"
#include "kernels/simt/fiber.h"
#include "kernels/simt/launch.h"

namespace simt {

enum class State : std::uint8_t { fresh, ready, at_barrier, in_warp_operation, finished };

struct Thread : ThreadIndex {
  Fiber fiber;
  State state = State::fresh;
  Site site;          ///< where it waits
  unsigned mask = 0;  ///< of the warp operation that it waits in
  int barrier_result = 0;
  AsyncCopies copies;
};

/// The lanes of one mask in one warp operation. Each leaves bytes in its slot; the last to arrive
/// may work on all slots before the others go on and read.
struct Meeting {
  static constexpr std::size_t slot_bytes = 64;
  alignas(16) unsigned char slot[32][slot_bytes];
  unsigned mask = 0, arrived = 0, readers = 0;
  bool complete = false;
  WarpOperation operation{};
  Site site;
};

struct Warp {
  unsigned live = 0;      ///< lanes that have not exited
  unsigned interval = 0;  ///< how often all live lanes have synchronised
  std::vector<std::unique_ptr<Meeting>> meetings;
};

/// The block that runs now. Blocks run one after the other; the object is used again.
class Block {
 public:
  /// False if the block was abandoned because of a fault.
  bool run(const Launch& launch, uint3 index);

  /// Waits until all threads of the block have arrived, and combines their predicates.
  int wait_at_barrier(BarrierKind kind, bool predicate, Site site);

  /// Leaves `bytes` of `data` in the caller's slot and waits for the other lanes of the mask. The
  /// caller reads the slots and then calls leave().
  Meeting& meet(WarpOperation operation, unsigned mask, const void* data, std::size_t bytes,
                Site site, void (*complete)(Meeting&) = nullptr);
  static void leave(Meeting& meeting);

  /// Reports a fault that the block can't go on from, and never comes back to the thread.
  [[noreturn]] void fail(Fault fault, const std::string& what);
  [[noreturn]] void abandon();

  Thread& thread() const { return *running_; }
  bool is_running() const { return running_ != nullptr; }
  Warp& warp() { return warps_[running_->warp]; }
  /// Grows by one whenever a thread goes on: the watchdog sees whether any does.
  std::uint64_t switches() const { return switches_; }
  std::uint64_t barriers() const { return barriers_; }

 private:
  struct Barrier {
    unsigned arrived = 0, holding = 0;  ///< threads, and those of them whose predicate holds
    BarrierKind kind{};
    Site site;
  };

  void prepare(const Launch& launch, uint3 index);
  void resume(Thread& thread);
  void finish_thread();
  void open_barrier();
  void make_ready(std::vector<unsigned>& threads);
  std::string where_threads_are() const;
  static void thread_body();

  StackPool stacks_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> ready_, waking_;
  std::size_t next_ready_ = 0;
  const Launch* launch_ = nullptr;
  Thread* running_ = nullptr;
  Barrier barrier_;
  unsigned count_ = 0, live_ = 0, barrier_interval_ = 0;
  bool abandoned_ = false;
  std::uint64_t switches_ = 0, barriers_ = 0;
};

/// The only one: launches run one after the other.
Block& the_block();

/// Numbers for Order::random.
std::uint32_t random_number();

}  // namespace simt
