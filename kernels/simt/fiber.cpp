#include "kernels/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

namespace simt {
namespace {

namespace context = boost::context::detail;

}  // namespace

Stack StackPool::take(std::size_t bytes) {
  if (!free_.empty()) {
    const Stack stack = free_.back();
    free_.pop_back();
    if (stack.bytes >= bytes) return stack;
  }
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  return {static_cast<char*>(memory) + page, bytes};
}

void Fiber::start(Stack stack, void (*body)()) {
  stack_ = stack;
  resumer_ = nullptr;
  // The first switch hands over the context to come back to, and the body to run.
  struct Entry {
    static void run(context::transfer_t from) {
      auto* self = static_cast<Fiber*>(from.data);
      self->resumer_ = from.fctx;
      self->body_();
      std::abort();
    }
  };
  body_ = body;
  own_ = context::make_fcontext(stack.base + stack.bytes, stack.bytes, Entry::run);
}

void Fiber::resume() { own_ = context::jump_fcontext(own_, this).fctx; }

void Fiber::suspend() { resumer_ = context::jump_fcontext(resumer_, this).fctx; }

void Fiber::leave() {
  suspend();
  std::abort();
}

}  // namespace simt
