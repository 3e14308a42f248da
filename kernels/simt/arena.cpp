#include "kernels/simt/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <new>

#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"
#include "kernels/simt/shared_memory.h"

namespace simt {
namespace arena {
namespace {

constexpr std::size_t band = 256, alignment = 256;
constexpr unsigned char canary = 0xfa;

struct Extent {
  std::size_t bytes;      ///< as asked for
  std::size_t footprint;  ///< with the bands
  std::string name;
};

struct State {
  char* base = nullptr;
  char* top = nullptr;  ///< Everything above has never been used.
  std::map<char*, Extent> live, freed;
  std::multimap<std::size_t, char*> reusable;  ///< by footprint
  std::size_t used = 0;

  State() {
    void* memory = mmap(nullptr, arena::extent_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base = static_cast<char*>(memory);
    top = base + shared_bytes;
  }
};

State& state() {
  static State& s = *new State;  // Never destroyed: static destructors may free device memory.
  return s;
}

/// The extent that holds p, or end.
std::map<char*, Extent>::iterator find(std::map<char*, Extent>& extents, const void* p) {
  auto* at = static_cast<char*>(const_cast<void*>(p));
  auto next = extents.upper_bound(at);
  if (next == extents.begin()) return extents.end();
  --next;
  return at < next->first + std::max<std::size_t>(next->second.bytes, 1) ? next : extents.end();
}

void fill_bands(char* data, const Extent& e) {
  std::memset(data - band, canary, band);
  std::memset(data + e.bytes, canary, e.footprint - band - e.bytes);
}

bool bands_intact(const char* data, const Extent& e) {
  const auto is_canary = [](char c) { return static_cast<unsigned char>(c) == canary; };
  return std::all_of(data - band, data, is_canary) &&
         std::all_of(data + e.bytes, data + e.footprint - band, is_canary);
}

std::string title(const char* data, const Extent& e) {
  return e.name.empty() ? text("the ", e.bytes, "-byte allocation ", static_cast<const void*>(data))
                        : text(e.name, " of ", e.bytes, " bytes");
}

void check_bands_of(char* data, const Extent& e, const char* when) {
  if (shadow::enabled() || bands_intact(data, e)) return;
  report(Fault::out_of_bounds,
         text("memory beside ", title(data, e), " was written to, as found ", when));
  fill_bands(data, e);
}

void print_leaks() {
  if (!settings().leaks) return;
  for (const auto& [data, e] : state().live) {
    const std::string line = text("simt: leak: ", title(data, e), "\n");
    std::fputs(line.c_str(), stderr);
  }
}

/// Gives the pages inside [p, p + bytes) back to the system: they read as zeros.
void drop_pages(char* p, std::size_t bytes) {
  constexpr std::size_t page = 4096;
  const auto first = (reinterpret_cast<std::uintptr_t>(p) + page - 1) / page * page;
  const auto last = (reinterpret_cast<std::uintptr_t>(p) + bytes) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace

char* base() {
  static char* const b = state().base;
  return b;
}

void* allocate(std::size_t bytes) {
  [[maybe_unused]] static const bool listed_at_exit = std::atexit(print_leaks) == 0;
  State& s = state();
  // Of whole twos of the alignment, so that data lies at odd multiples of it.
  const std::size_t pair = 2 * alignment;
  const std::size_t footprint = (bytes + pair - 1) / pair * pair + 2 * band;
  if (bytes > capacity || s.used + bytes > capacity) return nullptr;
  char* data = nullptr;
  const auto reused = s.reusable.find(footprint);
  const bool room = footprint <= static_cast<std::size_t>(base() + arena::extent_bytes - s.top);
  if (reused != s.reusable.end() && (!shadow::enabled() || !room)) {
    data = reused->second;
    s.freed.erase(data);
    s.reusable.erase(reused);
  } else if (room) {
    data = s.top + band;
    s.top += footprint;
  } else {
    return nullptr;
  }
  const Extent extent{bytes, footprint, {}};
  fill_bands(data, extent);
  std::memset(data, 0xff, bytes);
  shadow::allocated(data, bytes);
  s.live.emplace(data, extent);
  s.used += bytes;
  return data;
}

bool release(void* data) {
  State& s = state();
  const auto at = s.live.find(static_cast<char*>(data));
  if (at == s.live.end()) return false;
  check_bands_of(at->first, at->second, "when it was freed");
  shadow::freed(data, at->second.bytes);
  if (shadow::enabled()) {
    drop_pages(at->first, at->second.bytes);
  } else {
    std::memset(data, 0xfb, at->second.bytes);  // What still reads it computes nonsense.
  }
  s.used -= at->second.bytes;
  s.reusable.emplace(at->second.footprint, at->first);
  s.freed.insert(s.live.extract(at));
  return true;
}

bool holds(const void* p, std::size_t bytes) {
  State& s = state();
  const auto at = find(s.live, p);
  return at != s.live.end() &&
         bytes <=
             at->second.bytes - static_cast<std::size_t>(static_cast<const char*>(p) - at->first);
}

bool was_freed(const void* p) { return find(state().freed, p) != state().freed.end(); }

std::string describe(const void* p) {
  State& s = state();
  const auto* at = static_cast<const char*>(p);
  if (is_shared(p)) return shared_memory::describe(p);
  for (auto* extents : {&s.live, &s.freed}) {
    const auto inside = find(*extents, p);
    if (inside == extents->end()) continue;
    return text("byte ", at - inside->first, " of ", title(inside->first, inside->second),
                extents == &s.freed ? ", which was freed" : "");
  }
  auto next = s.live.upper_bound(const_cast<char*>(at));
  if (next != s.live.begin()) {
    const auto before = std::prev(next);
    return text(at - before->first - static_cast<std::ptrdiff_t>(before->second.bytes),
                " bytes past the end of ", title(before->first, before->second));
  }
  if (next != s.live.end()) {
    return text(next->first - at, " bytes before ", title(next->first, next->second));
  }
  return "no allocation";
}

void check_bands(const char* when) {
  if (shadow::enabled()) return;
  for (const auto& [data, extent] : state().live) check_bands_of(data, extent, when);
}

std::size_t used_bytes() { return state().used; }

}  // namespace arena

std::vector<Allocation> live_allocations() {
  std::vector<Allocation> all;
  for (const auto& [data, e] : arena::state().live) all.push_back({data, e.bytes, e.name});
  return all;
}

void name_memory(const void* data, std::string name) {
  auto& live = arena::state().live;
  const auto at = arena::find(live, data);
  if (at != live.end()) at->second.name = std::move(name);
}

}  // namespace simt
