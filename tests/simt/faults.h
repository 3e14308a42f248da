/// Broken kernels beside their sound twins, and what the emulator has to report of each.
#pragma once

#include <vector>

#include "kernels/simt/emulator.h"

namespace simt::test {

struct FaultCase {
  const char* name;
  void (*run)(bool broken);
  Fault fault;         ///< that the memory checker's build reports
  bool found_plainly;  ///< whether the plain build reports it too, with the same kind
};

/// Memory: bounds, life, alignment, initialisation.
std::vector<FaultCase> memory_faults();
/// Accesses that are wider than what is promised of an address.
std::vector<FaultCase> alignment_faults();
/// Order: races, barriers, warps, asynchronous copies.
std::vector<FaultCase> order_faults();
/// The same between blocks, and what doesn't make an order.
std::vector<FaultCase> block_faults();
/// Operations of whole warps.
std::vector<FaultCase> warp_faults();
/// cp.async.
std::vector<FaultCase> async_faults();
/// The host's calls.
std::vector<FaultCase> host_faults();

}  // namespace simt::test
