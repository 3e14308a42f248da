#include "kernels/simt/block.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"
#include "kernels/simt/shared_memory.h"
#include "kernels/simt/watchdog.h"

namespace simt {

constinit thread_local ThreadIndex* current = nullptr;

Block& the_block() {
  static Block& block = *new Block;  // Never destroyed: launches may come from static destructors.
  return block;
}

std::uint32_t random_number() {
  static std::mt19937 engine(settings().seed);
  return static_cast<std::uint32_t>(engine());
}

bool Block::run(const Launch& launch, uint3 index) {
  prepare(launch, index);
  while (live_ > 0 && !abandoned_) {
    if (next_ready_ == ready_.size()) {
      report(Fault::deadlock, "no thread of the block can go on" + where_threads_are());
      abandoned_ = true;
    } else if (watchdog::expired()) {
      report(Fault::timeout, "the block doesn't end" + where_threads_are());
      abandoned_ = true;
    } else {
      resume(*threads_[ready_[next_ready_++]]);
    }
    if (next_ready_ > 4096) {
      ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(next_ready_));
      next_ready_ = 0;
    }
  }
  for (unsigned i = 0; i < count_; ++i) {  // those of an abandoned block
    Thread& t = *threads_[i];
    if (t.state != State::fresh && t.state != State::finished) stacks_.give_back(t.fiber.stack());
  }
  return !abandoned_;
}

void Block::prepare(const Launch& launch, uint3 index) {
  const dim3 extent = launch.block;
  launch_ = &launch;
  count_ = live_ = extent.x * extent.y * extent.z;
  barrier_ = {};
  barrier_interval_ = 0;
  abandoned_ = false;
  while (threads_.size() < count_) threads_.push_back(std::make_unique<Thread>());
  warps_.resize(std::max<std::size_t>(warps_.size(), (count_ + 31) / 32));
  for (unsigned first = 0; first < count_; first += 32) {
    Warp& warp = warps_[first / 32];
    warp.live = count_ - first >= 32 ? ~0u : (1u << (count_ - first)) - 1;
    warp.interval = 0;
    for (auto& m : warp.meetings) m->arrived = m->readers = 0;
  }
  shared_memory::begin_block(launch);
  shadow::begin_block();
  ready_.clear();
  next_ready_ = 0;
  waking_.clear();
  for (unsigned i = 0; i < count_; ++i) {
    Thread& t = *threads_[i];
    t.thread = {i % extent.x, i / extent.x % extent.y, i / (extent.x * extent.y)};
    t.block = index;
    t.block_extent = extent;
    t.grid_extent = launch.grid;
    t.linear = i;
    t.warp = i / 32;
    t.lane = i % 32;
    t.state = State::fresh;
    t.copies.clear();
    waking_.push_back(i);
  }
  make_ready(waking_);
}

/// Threads that may go on at the same time do so in the order that is asked for.
void Block::make_ready(std::vector<unsigned>& threads) {
  if (settings().order == Order::reverse) std::reverse(threads.begin(), threads.end());
  if (settings().order == Order::random) {
    for (std::size_t i = threads.size(); i > 1; --i) {
      std::swap(threads[i - 1], threads[random_number() % i]);
    }
  }
  for (const unsigned i : threads) {
    if (threads_[i]->state != State::fresh) threads_[i]->state = State::ready;
    ready_.push_back(i);
  }
}

void Block::thread_body() {
  Block& block = the_block();
  block.launch_->call(block.launch_->arguments.get());
  block.finish_thread();
  block.running_->fiber.leave();
}

void Block::resume(Thread& t) {
  if (t.state == State::fresh) t.fiber.start(stacks_.take(settings().stack_bytes), thread_body);
  t.state = State::ready;
  running_ = &t;
  current = &t;
  ++switches_;
  shadow::resume(t.linear, barrier_interval_, warps_[t.warp].interval, t.fiber.stack());
  t.fiber.resume();
  shadow::pause();
  current = nullptr;
  running_ = nullptr;
  if (t.state == State::finished) stacks_.give_back(t.fiber.stack());
}

void Block::finish_thread() {
  Thread& t = *running_;
  if (settings().strict && !t.copies.all_done()) {
    report(Fault::async_copy, "the thread ends with copies that it never waited for");
  }
  t.state = State::finished;
  --live_;
  Warp& w = warp();
  w.live &= ~(1u << t.lane);
  for (const auto& m : w.meetings) {
    if (m->arrived != 0 && !m->complete && (m->mask >> t.lane & 1) != 0) {
      t.state = State::ready;  // It keeps its stack until the block is dropped.
      fail(Fault::warp_divergence, text("lane ", t.lane, " exits, but others wait for it at ",
                                        m->site.file, ":", m->site.line, where_threads_are()));
    }
  }
  if (barrier_.arrived == 0) return;
  if (settings().strict) {
    t.state = State::ready;
    fail(Fault::barrier_divergence,
         text("the thread exits while others wait at the barrier ", barrier_.site.file, ":",
              barrier_.site.line, where_threads_are()));
  }
  if (barrier_.arrived == live_) open_barrier();
}

int Block::wait_at_barrier(BarrierKind kind, bool predicate, Site site) {
  Thread& t = *running_;
  t.site = site;
  t.state = State::at_barrier;
  if (barrier_.arrived == 0) {
    barrier_ = {0, 0, kind, site};
  } else if (settings().strict &&
             (barrier_.site.line != site.line || std::strcmp(barrier_.site.file, site.file) != 0)) {
    fail(Fault::barrier_divergence,
         "threads of one block meet at different barriers" + where_threads_are());
  }
  if (settings().strict && live_ != count_) {
    fail(Fault::barrier_divergence, text("the barrier is reached after ", count_ - live_,
                                         " threads have exited", where_threads_are()));
  }
  ++barrier_.arrived;
  barrier_.holding += predicate ? 1 : 0;
  if (barrier_.arrived == live_) open_barrier();
  t.fiber.suspend();
  return t.barrier_result;
}

void Block::open_barrier() {
  const unsigned holding = barrier_.holding;
  const int result = barrier_.kind == BarrierKind::count ? static_cast<int>(holding)
                     : barrier_.kind == BarrierKind::all ? holding == barrier_.arrived
                                                         : holding > 0;
  barrier_.arrived = 0;
  ++barrier_interval_;
  ++barriers_;
  waking_.clear();
  for (unsigned i = 0; i < count_; ++i) {
    if (threads_[i]->state != State::at_barrier) continue;
    threads_[i]->barrier_result = result;
    waking_.push_back(i);
  }
  make_ready(waking_);
}

void Block::fail(Fault fault, const std::string& what) {
  shadow::pause();
  report(fault, what);
  abandon();
}

void Block::abandon() {
  abandoned_ = true;
  running_->fiber.leave();
}

/// The threads by what they are doing, as in "3 exited: 0-2".
std::string Block::where_threads_are() const {
  std::map<std::string, std::vector<unsigned>> groups;
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = *threads_[i];
    const std::string at = text(" at ", t.site.file, ":", t.site.line);
    groups[t.state == State::finished            ? "exited"
           : t.state == State::at_barrier        ? "wait in a barrier" + at
           : t.state == State::in_warp_operation ? "wait in a warp operation" + at
                                                 : "can go on"]
        .push_back(i);
  }
  std::string lines;
  for (const auto& [what, members] : groups) {
    lines += text("\nsimt:   ", members.size(), " threads ", what, ":");
    for (std::size_t i = 0, end = 0; i < members.size(); i = end) {
      end = i + 1;
      while (end < members.size() && members[end] == members[end - 1] + 1) ++end;
      lines += text(" ", members[i]);
      if (end - i > 1) lines += text("-", members[end - 1]);
    }
  }
  return lines;
}

uint3 thread_index() { return current->thread; }
uint3 block_index() { return current->block; }
dim3 block_extent() { return current->block_extent; }
dim3 grid_extent() { return current->grid_extent; }
unsigned lane_index() { return current->lane; }

int barrier(BarrierKind kind, bool predicate, Site site) {
  return the_block().wait_at_barrier(kind, predicate, site);
}

void trap(const char* what, Site site) {
  the_block().fail(Fault::trap, text(what, " at ", site.file, ":", site.line));
}

void require_capability(int least, const char* instruction, Site site) {
  if (settings().capability >= least) return;
  the_block().fail(Fault::trap, text(instruction, " needs compute capability ", least / 10, ".",
                                     least % 10, ", at ", site.file, ":", site.line));
}

}  // namespace simt
