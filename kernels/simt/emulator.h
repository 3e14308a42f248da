/// The emulator's own interface, for host code that tests kernels: what was found, how kernels are
/// run, and what they cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/simt/toolkit/cuda_runtime.h"

namespace simt {

enum class Fault {
  race,                 ///< two accesses that no barrier orders, at least one of them a write
  out_of_bounds,        ///< device memory that no live array holds
  use_after_free,       ///< device memory that has been freed
  misaligned,           ///< an address that nothing aligns as the access needs it
  uninitialised,        ///< device memory that nothing has written
  invalid_address,      ///< a null pointer, or one to the host's memory
  undefined_behaviour,  ///< an index outside its array's type, a shift or division without a result
  barrier_divergence,   ///< threads of a block that don't meet at one barrier
  warp_divergence,      ///< lanes of a warp that don't meet in one operation, or a wrong mask
  deadlock,             ///< no thread of the block can go on
  timeout,              ///< a block that doesn't end
  async_copy,           ///< a cp.async destination used before its wait, or never waited for
  trap,                 ///< __trap()
  bad_launch,           ///< a configuration that no GPU takes
  bad_copy,             ///< a copy or fill that isn't inside one allocation, or of the wrong kind
};
const char* to_string(Fault fault);

struct Report {
  Fault fault;
  std::string text;
  std::string kernel;  ///< empty for a fault of host code
  uint3 block{}, thread{};
};

/// The reports since the last call, oldest first. Each has been printed to stderr by then unless
/// settings().quiet.
std::vector<Report> take_reports();

/// Forgets reports and the error that every call returns after a fault, which a process on a real
/// GPU could not; frees nothing.
void reset();

enum class Order { forward, reverse, random };

/// How kernels are run; initialised from the environment variables named here.
struct Settings {
  Order order = Order::forward;  ///< SIMT_ORDER=fwd|rev|rand: of blocks, and threads that may go on
  unsigned seed = 1;             ///< SIMT_SEED: of Order::random
  bool strict = true;            ///< SIMT_STRICT=0: lets exited threads miss a barrier
  bool lazy_streams = false;     ///< SIMT_STREAMS=lazy: work waits until something waits for it
  bool quiet = false;            ///< SIMT_QUIET=1: keeps reports to take_reports()
  bool profile = false;          ///< SIMT_PROFILE=1: counts, and prints the table at exit
  bool leaks = false;            ///< SIMT_LEAKS=1: lists unfreed device memory at exit
  double timeout_seconds = 60;   ///< SIMT_TIMEOUT: CPU time that one block may take
  std::size_t stack_bytes = 65536;  ///< SIMT_STACK: of each thread
  int capability = 80;  ///< SIMT_CAPABILITY: compute capability that the device claims, as in 75
  int devices = 1;      ///< SIMT_DEVICES: how many there seem to be, of one memory
};
Settings& settings();

/// Whether a source of this program was compiled for the memory checker.
bool checks_memory();

struct Allocation {
  const void* data;
  std::size_t bytes;
  std::string name;  ///< empty unless named
};
/// Device memory that has not been freed.
std::vector<Allocation> live_allocations();

/// Calls the allocation that holds `data` by this name in reports.
void name_memory(const void* data, std::string name);

}  // namespace simt
