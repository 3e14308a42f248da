#include "kernels/simt/profile.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <new>
#include <unordered_map>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/report.h"

namespace simt {
namespace profile {
namespace {

constexpr std::size_t sector = 32;

/// Addresses of the lanes that have executed one instruction for the n-th time.
struct Request {
  std::uint32_t lanes = 0;
  std::array<std::uint64_t, 32> offset{};
};

/// What one warp does at one instruction in the running block.
struct Instruction {
  std::size_t bytes = 0;
  bool write = false, global = false;
  std::array<std::uint32_t, 32> executions{};
  std::uint32_t closed = 0;  ///< requests before the first open one
  std::deque<Request> open;
};

struct Key {
  const void* code;
  unsigned warp;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& k) const {
    return reinterpret_cast<std::uintptr_t>(k.code) * 0x9e3779b97f4a7c15u + k.warp * 0x85ebca6bu;
  }
};

struct Kernel {
  const void* kernel;
  Profile counts;
};

std::vector<Kernel> kernels;
Profile* running = nullptr;
std::unordered_map<Key, Instruction, KeyHash> instructions;
std::uint32_t launch_number = 0;
std::uint64_t threads_per_block = 0;

/// The last launch that read and that wrote each sector.
struct Sectors {
  std::uint32_t read, written;
};
Sectors* sectors() {
  static auto* all = [] {
    void* memory = mmap(nullptr, arena::extent_bytes / sector * sizeof(Sectors),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<Sectors*>(memory);
  }();
  return all;
}

void count_dram(std::size_t offset, std::size_t bytes, bool write) {
  for (std::size_t i = offset / sector; i <= (offset + bytes - 1) / sector; ++i) {
    Sectors& s = sectors()[i];
    if (write && s.written != launch_number) {
      s.written = launch_number;
      running->dram_written_bytes += sector;
    } else if (!write && s.read != launch_number && s.written != launch_number) {
      s.read = launch_number;
      running->dram_read_bytes += sector;
    }
  }
}

void close_global(const Instruction& in, const Request& r) {
  std::vector<std::uint64_t> touched;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((r.lanes >> lane & 1) == 0) continue;
    const std::uint64_t last = (r.offset[lane] + in.bytes - 1) / sector;
    for (std::uint64_t s = r.offset[lane] / sector; s <= last; ++s) touched.push_back(s);
  }
  std::sort(touched.begin(), touched.end());
  const auto distinct = std::unique(touched.begin(), touched.end()) - touched.begin();
  const auto bytes = static_cast<std::uint64_t>(__builtin_popcount(r.lanes)) * in.bytes;
  Profile::Global& g = in.write ? running->stores : running->loads;
  ++g.requests;
  g.bytes += bytes;
  g.sectors += static_cast<std::uint64_t>(distinct);
  g.ideal_sectors += (bytes + sector - 1) / sector;
}

/// Lanes with the same word share it; accesses of 8 and 16 bytes go in two and four phases.
void close_shared(const Instruction& in, const Request& r) {
  const unsigned lanes_per_phase = in.bytes <= 4 ? 32 : in.bytes == 8 ? 16 : 8;
  Profile::Shared& s = in.write ? running->shared_stores : running->shared_loads;
  ++s.requests;
  for (unsigned first = 0; first < 32; first += lanes_per_phase) {
    std::array<std::vector<std::uint64_t>, 32> banks;
    std::size_t most = 0;
    for (unsigned lane = first; lane < first + lanes_per_phase; ++lane) {
      if ((r.lanes >> lane & 1) == 0) continue;
      const std::uint64_t last = (r.offset[lane] + in.bytes - 1) / 4;
      for (std::uint64_t word = r.offset[lane] / 4; word <= last; ++word) {
        auto& bank = banks[word % 32];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
        most = std::max(most, bank.size());
      }
    }
    s.wavefronts += most;
    s.ideal_wavefronts += most > 0 ? 1 : 0;
  }
}

void close(const Instruction& in, const Request& r) {
  in.global ? close_global(in, r) : close_shared(in, r);
}

std::string ratio(std::uint64_t part, std::uint64_t whole) {
  std::array<char, 32> out{};
  if (whole == 0) return "-";
  std::snprintf(out.data(), out.size(), "%.2f",
                static_cast<double>(part) / static_cast<double>(whole));
  return out.data();
}

void print_table() {
  for (const Profile& p : profiles()) {
    std::fprintf(stderr,
                 "simt: profile of %s: launches %llu, blocks %llu, barriers %llu, tensor FMAs "
                 "%llu, DRAM bytes read %llu, written %llu, sectors per ideal sector of loads %s, "
                 "of stores %s, wavefronts per ideal one of shared loads %s, of shared stores %s\n",
                 p.kernel.c_str(), static_cast<unsigned long long>(p.launches),
                 static_cast<unsigned long long>(p.blocks),
                 static_cast<unsigned long long>(p.barriers),
                 static_cast<unsigned long long>(p.tensor_fmas),
                 static_cast<unsigned long long>(p.dram_read_bytes),
                 static_cast<unsigned long long>(p.dram_written_bytes),
                 ratio(p.loads.sectors, p.loads.ideal_sectors).c_str(),
                 ratio(p.stores.sectors, p.stores.ideal_sectors).c_str(),
                 ratio(p.shared_loads.wavefronts, p.shared_loads.ideal_wavefronts).c_str(),
                 ratio(p.shared_stores.wavefronts, p.shared_stores.ideal_wavefronts).c_str());
  }
}

}  // namespace

bool active() { return running != nullptr; }

void begin_launch(const Launch& launch) {
  running = nullptr;
  if (!settings().profile) return;
  [[maybe_unused]] static const bool printed_at_exit = [] {
    return std::getenv("SIMT_PROFILE") != nullptr && std::atexit(print_table) == 0;
  }();
  auto at = std::find_if(kernels.begin(), kernels.end(),
                         [&](const Kernel& k) { return k.kernel == launch.kernel; });
  if (at == kernels.end()) {
    kernels.push_back({launch.kernel, {}});
    at = kernels.end() - 1;
    at->counts.kernel = kernel_name(launch.kernel);
  }
  running = &at->counts;
  ++launch_number;
  ++running->launches;
  threads_per_block = std::uint64_t{launch.block.x} * launch.block.y * launch.block.z;
}

void begin_block() {
  if (running == nullptr) return;
  ++running->blocks;
  running->threads += threads_per_block;
  instructions.clear();
}

void end_block() {
  if (running == nullptr) return;
  for (const auto& [key, in] : instructions) {
    for (const Request& r : in.open) close(in, r);
  }
  instructions.clear();
}

void end_launch(std::uint64_t barriers) {
  if (running != nullptr) running->barriers += barriers;
  running = nullptr;
}

void memory_access(std::size_t offset, std::size_t bytes, bool write, bool global,
                   const void* code) {
  if (global) count_dram(offset, bytes, write);
  Instruction& in = instructions[{code, current->warp}];
  in.bytes = bytes;
  in.write = write;
  in.global = global;
  const std::uint32_t n = in.executions[current->lane]++ - in.closed;
  if (n >= in.open.size()) in.open.resize(n + 1);
  Request& r = in.open[n];
  r.lanes |= 1u << current->lane;
  r.offset[current->lane] = offset;
  while (!in.open.empty() && in.open.front().lanes == ~0u) {
    close(in, in.open.front());
    in.open.pop_front();
    ++in.closed;
  }
}

void tensor_product(std::uint64_t fmas) {
  if (running != nullptr) running->tensor_fmas += fmas;
}

}  // namespace profile

std::vector<Profile> profiles() {
  std::vector<Profile> all;
  for (const auto& k : profile::kernels) all.push_back(k.counts);
  return all;
}

void clear_profiles() { profile::kernels.clear(); }

}  // namespace simt
