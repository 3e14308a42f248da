#include "kernels/simt/watchdog.h"

#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "kernels/simt/block.h"
#include "kernels/simt/report.h"

namespace simt::watchdog {
namespace {

constexpr int ticks_per_block = 4;
constexpr std::array faults = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

volatile int ticks = 0;
volatile std::uint64_t switches_at_tick = 0;
std::array<struct sigaction, faults.size()> handlers_before;
struct sigaction alarm_handler_before;

std::string counter_of(void* context) {
  const auto* c = static_cast<ucontext_t*>(context);
  return place_of(reinterpret_cast<const void*>(c->uc_mcontext.gregs[REG_RIP]));
}

/// A thread that hasn't come back to the scheduler since the tick before spins: it is taken off its
/// stack from here. Kernels hold no lock and allocate nothing, so nothing is left half done.
void on_tick(int, siginfo_t*, void* context) {
  Block& block = the_block();
  ticks = ticks + 1;
  const bool stuck = block.switches() == switches_at_tick;
  switches_at_tick = block.switches();
  if (ticks > ticks_per_block && stuck && current != nullptr) {
    block.fail(Fault::timeout, "the thread runs without end, now at " + counter_of(context));
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (current == nullptr) {  // not a kernel's: dies of it when the instruction is tried again
    ::signal(signal, SIG_DFL);
    return;
  }
  const std::string at = " at " + counter_of(context);
  if (signal == SIGFPE) {
    the_block().fail(Fault::undefined_behaviour, "an integer division has no result" + at);
  }
  if (signal == SIGSEGV && info->si_code == SI_KERNEL) {
    // No page is at fault: the CPU's aligned vector accesses are refused like this.
    the_block().fail(Fault::misaligned, "a vector access isn't aligned" + at);
  }
  const Stack& stack = the_block().thread().fiber.stack();
  const auto* address = static_cast<const char*>(info->si_addr);
  const bool overflow = address < stack.base && address >= stack.base - 4096;
  the_block().fail(Fault::invalid_address,
                   (overflow ? "the thread's stack overflows; SIMT_STACK sets its size,"
                             : text("an access to ", static_cast<const void*>(address),
                                    ", which is no memory,")) +
                       at);
}

/// Handlers need a stack of their own, for the one that overflowed has no room.
void ensure_signal_stack() {
  static thread_local std::array<char, 65536> memory;
  stack_t now{};
  sigaltstack(nullptr, &now);
  if ((now.ss_flags & SS_DISABLE) == 0) return;
  stack_t own{};
  own.ss_sp = memory.data();
  own.ss_size = memory.size();
  sigaltstack(&own, nullptr);
}

timer_t start_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGVTALRM;
  event._sigev_un._tid = gettid();
  timer_t timer{};
  timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer);
  const double tick = settings().timeout_seconds / ticks_per_block;
  itimerspec interval{};
  interval.it_value.tv_sec = static_cast<time_t>(tick);
  interval.it_value.tv_nsec =
      static_cast<long>((tick - static_cast<double>(interval.it_value.tv_sec)) * 1e9) + 1;
  interval.it_interval = interval.it_value;
  timer_settime(timer, 0, &interval, nullptr);
  return timer;
}

timer_t timer;

}  // namespace

Watch::Watch() {
  ensure_signal_stack();
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  action.sa_sigaction = on_fault;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    sigaction(faults[i], &action, &handlers_before[i]);
  }
  action.sa_sigaction = on_tick;
  action.sa_flags |= SA_RESTART;
  sigaction(SIGVTALRM, &action, &alarm_handler_before);
  timer = start_timer();
}

Watch::~Watch() {
  timer_delete(timer);
  sigaction(SIGVTALRM, &alarm_handler_before, nullptr);
  for (std::size_t i = 0; i < faults.size(); ++i) {
    sigaction(faults[i], &handlers_before[i], nullptr);
  }
}

void begin_block() { ticks = 0; }

bool expired() { return ticks >= ticks_per_block; }

}  // namespace simt::watchdog
