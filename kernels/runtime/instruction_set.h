/// The instruction set of the CPU kernels, chosen at run time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace trifold::kernels {

enum class InstructionSet { baseline, avx2, avx512 };

/// "baseline", "avx2" or "avx512".
std::string_view to_string(InstructionSet set);

/// 32-bit numbers in one of its vectors.
std::int64_t vector_lanes(InstructionSet set);

/// What this build holds and this processor can run, weakest first.
std::vector<InstructionSet> supported_instruction_sets();

/// The one that kernels run with: the strongest supported, unless forced.
InstructionSet active_instruction_set();

/// Forces one for the whole process, for tests and comparisons. The environment variable
/// TRIFOLD_ISA (baseline, avx2, avx512) does the same at start.
/// Errors    ConfigError: this processor can't run it.
void force_instruction_set(InstructionSet set);

/// Back to the strongest supported.
void release_instruction_set();

}  // namespace trifold::kernels
