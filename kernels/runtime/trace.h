/// Names on the time line of a profile.
#pragma once

#if TRIFOLD_WITH_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace trifold::kernels {

/// As long as one lives, what the calling thread asks a GPU for is shown under its name by NVIDIA's
/// Nsight tools (an NVTX range). Free where no tool listens, and nothing in builds without CUDA.
class TraceRange {
 public:
#if TRIFOLD_WITH_NVTX
  explicit TraceRange(const char* name) { nvtxRangePushA(name); }
  ~TraceRange() { nvtxRangePop(); }
#else
  explicit TraceRange(const char*) {}
  ~TraceRange() {}
#endif
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;
};

}  // namespace trifold::kernels
