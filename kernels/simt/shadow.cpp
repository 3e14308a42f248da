#include "kernels/simt/shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <set>
#include <tuple>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/profile.h"
#include "kernels/simt/race.h"
#include "kernels/simt/report.h"

// The bounds of this program, which the linker knows.
extern "C" const char __executable_start, _end;

namespace simt {
namespace shadow {
namespace {

enum State : unsigned char { not_addressable, not_initialised, initialised_, in_flight };
constexpr std::uint32_t all_initialised = 0x02020202u;

bool is_enabled = false;

/// Arrays parallel to the arena, of which only touched pages exist.
template <class T>
T* reserve(std::size_t count) {
  void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

struct Memory {
  unsigned char* states = reserve<unsigned char>(arena::extent_bytes);  ///< of each byte
  race::Cell* words = reserve<race::Cell>(arena::extent_bytes / 4);
  /// Of each byte of the words that have been accessed by parts.
  race::Cell* bytes = reserve<race::Cell>(arena::extent_bytes);
  bool* by_parts = reserve<bool>(arena::extent_bytes / 4);
};

Memory& memory() {
  static Memory m;
  return m;
}

std::size_t offset_of(const void* p) {
  return static_cast<std::size_t>(static_cast<const char*>(p) - arena::base());
}

/// The running thread; of this thread of the CPU, for others may run checked host code meanwhile.
struct Context {
  bool active;
  race::Stamp now;
  const char* stack;
  std::size_t stack_bytes;
};
constinit thread_local Context context{};

std::uint64_t block_number = 1, first_block = 1;
const char* arguments_begin = nullptr;
std::size_t arguments_size = 0;
std::set<std::tuple<Fault, std::uint32_t, std::uint32_t>> reported;  ///< of this launch

std::uint32_t code_offset(const void* code) {
  return static_cast<std::uint32_t>(static_cast<const char*>(code) - &__executable_start);
}

std::string place(std::uint32_t code) { return place_of(&__executable_start + code - 1); }

void set_states(const void* p, std::size_t bytes, State state) {
  if (is_enabled) std::memset(memory().states + offset_of(p), state, bytes);
}

const char* verb(Kind kind) {
  return kind.atomic ? "an atomic access" : kind.write ? "a write" : "a read";
}

/// True the first time in a launch that these instructions are at fault.
bool is_news(Fault fault, std::uint32_t code, std::uint32_t other = 0) {
  return reported.emplace(fault, std::min(code, other), std::max(code, other)).second;
}

/// A fault that ends the launch, as it would on a GPU.
[[noreturn]] void refuse(Fault fault, const char* p, std::size_t bytes, Kind kind,
                         std::uint32_t code, const std::string& where) {
  the_block().fail(fault, text(verb(kind), " of ", bytes, " bytes at ", static_cast<const void*>(p),
                               ", ", where, "\nsimt:   at ", place(code)));
}

/// A fault that the kernel can go on from.
void complain(Fault fault, const char* p, std::size_t bytes, Kind kind, std::uint32_t code,
              const char* what) {
  if (!is_news(fault, code)) return;
  context.active = false;
  report(fault, text(verb(kind), " of ", bytes, " bytes ", what, ", ", arena::describe(p),
                     "\nsimt:   at ", place(code)));
  context.active = true;
}

void complain_of_race(race::Conflict conflict, bool with_write, const race::Cell& before,
                      const char* p, const race::Access& a) {
  const std::uint32_t old_code = with_write ? before.write_code : before.read_code;
  if (!is_news(Fault::race, a.code, old_code)) return;
  const race::Stamp old = with_write ? before.write : before.read;
  const bool blocks = conflict == race::Conflict::between_blocks;
  context.active = false;
  report(Fault::race, text(a.write ? "a write" : "a read", " and a ", with_write ? "write" : "read",
                           " of ", blocks ? "another block" : "another thread", " in no order, of ",
                           arena::describe(p), "\nsimt:   thread ", race::thread_of(a.now), " at ",
                           place(a.code), "\nsimt:   thread ", race::thread_of(old),
                           blocks ? " of another block" : "", " before, at ", place(old_code)));
  context.active = true;
}

void touch(race::Cell& cell, const char* p, const race::Access& a) {
  if (!a.write && race::plainly_ordered(cell.write, a) && race::plainly_ordered(cell.read, a)) {
    cell.read = a.now | (a.atomic ? race::atomic : 0);
    cell.read_code = a.code;
    return;
  }
  const race::Cell before = cell;
  const race::Found found = race::touch(cell, a);
  if (found.with_write != race::Conflict::none) {
    complain_of_race(found.with_write, true, before, p, a);
  } else if (found.with_read != race::Conflict::none) {
    complain_of_race(found.with_read, false, before, p, a);
  }
}

void check_states(std::size_t offset, std::size_t bytes, Kind kind, std::uint32_t code) {
  unsigned char* states = memory().states + offset;
  const char* p = arena::base() + offset;
  const auto [least, most] = std::minmax_element(states, states + bytes);
  if (*least == not_addressable) {
    const char* bad = p + (least - states);
    refuse(arena::was_freed(bad) ? Fault::use_after_free : Fault::out_of_bounds, p, bytes, kind,
           code, arena::describe(bad));
  }
  if (*most == in_flight) {
    complain(Fault::async_copy, p, bytes, kind, code,
             "before the wait for the cp.async that writes there");
  }
  if (!kind.write && *least == not_initialised) {
    complain(Fault::uninitialised, p, bytes, kind, code, "that nothing has written");
  }
  if (kind.write) {
    std::replace(states, states + bytes, static_cast<unsigned char>(not_initialised),
                 static_cast<unsigned char>(initialised_));
  }
}

/// The thread's own memory, its arguments and the program's constants need no checks.
void access_outside(const char* p, std::size_t bytes, Kind kind, const void* code) {
  if (static_cast<std::size_t>(p - context.stack) < context.stack_bytes ||
      static_cast<std::size_t>(p - arguments_begin) < arguments_size) {
    if (kind.alignment <= 4) return;
    refuse(Fault::misaligned, p, bytes, kind, code_offset(code),
           "which is local memory or a parameter: they are aligned as they are declared alone, "
           "which ld and st can't know");
  }
  if (p >= &__executable_start && p < &_end) return;
  refuse(Fault::invalid_address, p, bytes, kind, code_offset(code),
         p < reinterpret_cast<const char*>(4096) ? "near null" : "which is not device memory");
}

}  // namespace

void enable() { is_enabled = true; }
bool enabled() { return is_enabled; }

void allocated(const void* p, std::size_t bytes) { set_states(p, bytes, not_initialised); }
void freed(const void* p, std::size_t bytes) { set_states(p, bytes, not_addressable); }
void initialised(const void* p, std::size_t bytes) { set_states(p, bytes, initialised_); }

void copied(const void* to, const void* from, std::size_t bytes) {
  if (!is_enabled) return;
  std::memmove(memory().states + offset_of(to), memory().states + offset_of(from), bytes);
}

const void* first_uninitialised(const void* p, std::size_t bytes) {
  if (!is_enabled) return nullptr;
  const unsigned char* begin = memory().states + offset_of(p);
  const unsigned char* bad =
      std::find_if(begin, begin + bytes, [](unsigned char s) { return s != initialised_; });
  return bad == begin + bytes ? nullptr : static_cast<const char*>(p) + (bad - begin);
}

void begin_launch(const void* arguments, std::size_t bytes) {
  first_block = block_number + 1;
  arguments_begin = static_cast<const char*>(arguments);
  arguments_size = bytes;
  reported.clear();
}

void begin_block() { ++block_number; }

void resume(unsigned thread, unsigned barrier_interval, unsigned warp_interval,
            const Stack& stack) {
  context = {is_enabled, race::stamp(block_number, thread, barrier_interval, warp_interval),
             stack.base, stack.bytes};
}

void pause() { context.active = false; }

void access(const void* p, std::size_t bytes, Kind kind, const void* code) {
  if (!context.active) return;
  const auto* at = static_cast<const char*>(p);
  const std::size_t offset = offset_of(p);
  if (offset >= arena::extent_bytes) return access_outside(at, bytes, kind, code);
  const std::uint32_t from = code_offset(code);
  const std::size_t alignment = kind.alignment > 0 ? kind.alignment : bytes <= 16 ? bytes : 1;
  if (kind.aligned && offset % alignment != 0) {
    refuse(Fault::misaligned, at, bytes, kind, from, arena::describe(p));
  }
  const Memory& m = memory();
  const bool global = offset >= arena::shared_bytes;
  std::uint32_t states = 0;
  if (bytes == 4) std::memcpy(&states, m.states + offset, 4);
  if (states != all_initialised) check_states(offset, bytes, kind, from);
  if (profile::active() && kind.profiled) {
    profile::memory_access(offset, bytes, kind.write, global, code);
  }
  const race::Access a{context.now, first_block, global, kind.write, kind.atomic, from};
  for (std::size_t word = offset / 4; word <= (offset + bytes - 1) / 4; ++word) {
    const std::size_t begin = std::max(offset, word * 4);
    const std::size_t end = std::min(offset + bytes, word * 4 + 4);
    if (end - begin == 4 && !m.by_parts[word]) {
      touch(m.words[word], arena::base() + begin, a);
      continue;
    }
    if (!m.by_parts[word]) {
      std::fill_n(m.bytes + word * 4, 4, m.words[word]);
      m.by_parts[word] = true;
    }
    for (std::size_t i = begin; i < end; ++i) touch(m.bytes[i], arena::base() + i, a);
  }
}

void async_copy_issued(const void* to, std::size_t bytes, const void* code) {
  if (!is_enabled) return;
  access(to, bytes, {.write = true}, code);
  if (arena::contains(to)) set_states(to, bytes, in_flight);
}

void async_copy_done(const void* to, std::size_t bytes) {
  if (!is_enabled || !arena::contains(to)) return;
  set_states(to, bytes, initialised_);
  // The copy ends now: what reads it without a barrier from here on is a race.
  for (std::size_t word = offset_of(to) / 4; word < (offset_of(to) + bytes) / 4; ++word) {
    race::Cell& cell = memory().words[word];
    if (!memory().by_parts[word]) cell.write = context.now | (cell.write & 0xf);
  }
}

}  // namespace shadow

bool checks_memory() { return shadow::enabled(); }

void checked_load(void* value, const void* from, std::size_t bytes, std::size_t alignment) {
  shadow::access(from, bytes, {.alignment = alignment}, __builtin_return_address(0));
  std::memcpy(value, from, bytes);
}

void checked_store(void* to, const void* value, std::size_t bytes, std::size_t alignment) {
  shadow::access(to, bytes, {.write = true, .alignment = alignment}, __builtin_return_address(0));
  std::memcpy(to, value, bytes);
}

void misaligned(const void* p, std::size_t bytes, std::size_t alignment) {
  the_block().fail(Fault::misaligned,
                   text("an access of ", bytes, " bytes at ", p, ", which isn't a multiple of ",
                        alignment, arena::contains(p) ? ", " + arena::describe(p) : "",
                        "\nsimt:   at ", place_of(__builtin_return_address(0))));
}

}  // namespace simt
