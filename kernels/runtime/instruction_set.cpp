#include "kernels/runtime/instruction_set.h"

#include <atomic>
#include <cstdlib>

#include "kernels/cpu/simd.h"
#include "kernels/runtime/error.h"

// Highway's headers come after simd.h, which selects the targets.
#include <hwy/highway.h>

namespace trifold::kernels {
namespace {

constexpr std::int64_t kAboveBaseline = HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL;
constexpr std::int64_t kAboveAvx2 = HWY_AVX3 | HWY_AVX3_DL;

/// What the processor has of what is compiled, whatever is forced.
std::int64_t processor_targets() {
  static const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets;
}

std::int64_t targets_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return processor_targets() & ~kAboveBaseline;
    case InstructionSet::avx2:
      return processor_targets() & ~kAboveAvx2;
    case InstructionSet::avx512:
      break;
  }
  return processor_targets();
}

bool is_supported(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return true;
    case InstructionSet::avx2:
      return (processor_targets() & HWY_AVX2) != 0;
    case InstructionSet::avx512:
      break;
  }
  return (processor_targets() & HWY_AVX3) != 0;
}

std::atomic<InstructionSet>& active() {
  static std::atomic<InstructionSet> set{[] {
    const char* wanted = std::getenv("TRIFOLD_ISA");
    InstructionSet start = supported_instruction_sets().back();
    if (wanted != nullptr && *wanted != '\0') {
      bool found = false;
      for (InstructionSet candidate : supported_instruction_sets()) {
        if (to_string(candidate) != wanted) continue;
        start = candidate;
        found = true;
      }
      require<ConfigError>(found,
                           "TRIFOLD_ISA is '{}', which this processor can't run; set it to "
                           "baseline, avx2 or avx512, or unset it",
                           wanted);
    }
    hwy::GetChosenTarget().Update(targets_of(start));
    return start;
  }()};
  return set;
}

void choose(InstructionSet set) {
  active().store(set);
  hwy::GetChosenTarget().Update(targets_of(set));
}

}  // namespace

std::string_view to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      break;
  }
  return "avx512";
}

std::int64_t vector_lanes(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return 4;
    case InstructionSet::avx2:
      return 8;
    case InstructionSet::avx512:
      break;
  }
  return 16;
}

std::vector<InstructionSet> supported_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set :
       {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
    if (is_supported(set)) sets.push_back(set);
  return sets;
}

InstructionSet active_instruction_set() { return active().load(std::memory_order_relaxed); }

void force_instruction_set(InstructionSet set) {
  require<ConfigError>(is_supported(set),
                       "this processor can't run {}; choose one of its own instruction sets",
                       to_string(set));
  choose(set);
}

void release_instruction_set() { choose(supported_instruction_sets().back()); }

namespace cpu {

InstructionSet level_of_target(std::int64_t target) {
  if ((target & kAboveAvx2) != 0) return InstructionSet::avx512;
  if ((target & kAboveBaseline) != 0) return InstructionSet::avx2;
  return InstructionSet::baseline;
}

}  // namespace cpu
}  // namespace trifold::kernels
