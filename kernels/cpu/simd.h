/// Which Highway targets the CPU kernels are compiled for, and how a call picks one.
///
/// A source file that is compiled once a target starts with
///
///     #undef HWY_TARGET_INCLUDE
///     #define HWY_TARGET_INCLUDE "kernels/cpu/NAME.cpp"
///     #include "kernels/cpu/simd.h"
///     #include <hwy/foreach_target.h>
///     #include <hwy/highway.h>
///
/// Between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE it uses nothing inline from the standard
/// library: the linker keeps one copy of such a function, perhaps one that this processor can't
/// run.
#pragma once

// Three levels bound the compile time: SSE4 (portable code where even that is missing), AVX2 with
// FMA, and AVX-512. Builds that test something else have the portable code and AVX2 alone.
#ifdef TRIFOLD_FEW_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL)
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif

#include <cstdint>

#include "kernels/runtime/instruction_set.h"

namespace trifold::kernels::cpu {

/// The level that a target belongs to, by its Highway bit.
InstructionSet level_of_target(std::int64_t target);

}  // namespace trifold::kernels::cpu

/// Calls the version of an HWY_EXPORTed function for active_instruction_set().
#define TRIFOLD_DISPATCH(function) \
  (static_cast<void>(::trifold::kernels::active_instruction_set()), HWY_DYNAMIC_DISPATCH(function))
