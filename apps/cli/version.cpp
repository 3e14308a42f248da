#include <fmt/format.h>

#include "apps/cli/command_line.h"
#include "kernels/runtime/instruction_set.h"
#include "kernels/runtime/memory.h"
#include "trifold/commit.h"
#include "trifold/version.h"

namespace trifold::apps {

std::string version() { return TRIFOLD_VERSION; }

std::string version_text(const std::string& program) {
  std::string sets;
  for (const kernels::InstructionSet set : kernels::supported_instruction_sets()) {
    sets += fmt::format("{}{}", sets.empty() ? "" : ", ", kernels::to_string(set));
  }
#if !TRIFOLD_WITH_CUDA
  const std::string cuda = "not built";
#else
#ifdef SIMT_EMULATED
  const char* const kind = "emulated on the CPU";
#else
  const char* const kind = "built";
#endif
  const std::string cuda =
      fmt::format("{}; devices here: {}", kind, kernels::device_count(DeviceKind::cuda));
#endif
#ifdef __clang__
  const char* const compiler = "Clang " __clang_version__;
#else
  const char* const compiler = "GCC " __VERSION__;
#endif
  const std::string commit = TRIFOLD_COMMIT;
  return fmt::format(
      "{} (Trifold) {}\n"
      "commit           {}\n"
      "compiler         {}\n"
      "build type       {}\n"
      "instruction sets {}; active: {}\n"
      "CUDA             {}",
      program, version(), commit.empty() ? "unknown" : commit, compiler, TRIFOLD_BUILD_TYPE, sets,
      kernels::to_string(kernels::active_instruction_set()), cuda);
}

}  // namespace trifold::apps
