/// Threads that take turns: each has a stack and runs until it suspends itself.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <vector>

namespace simt {

/// Memory of one fiber, above a page that may not be touched.
struct Stack {
  char* base = nullptr;
  std::size_t bytes = 0;
};

/// Stacks that are used again, the last one given back first, so that threads that never wait share
/// one stack, which stays in the cache.
class StackPool {
 public:
  Stack take(std::size_t bytes);
  void give_back(Stack stack) { free_.push_back(stack); }

 private:
  std::vector<Stack> free_;
};

/// The switches between a fiber and the code that resumes it. A fiber that is never resumed again
/// may just be forgotten: nothing on its stack is destroyed.
class Fiber {
 public:
  /// `body` is called on the stack by the first resume(), and must end in leave().
  void start(Stack stack, void (*body)());

  /// Runs the fiber until it suspends or leaves.
  void resume();

  /// Goes back to the caller of resume(); returns at the next resume().
  void suspend();

  /// Goes back to the caller of resume() for ever.
  [[noreturn]] void leave();

  const Stack& stack() const { return stack_; }

 private:
  Stack stack_;
  void (*body_)() = nullptr;
  boost::context::detail::fcontext_t own_{}, resumer_{};
};

}  // namespace simt
