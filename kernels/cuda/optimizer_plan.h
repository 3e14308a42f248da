/// How optimizer.cu cuts a list of parameters. Plain C++, no CUDA.
#pragma once

namespace trifold::kernels::cuda {

/// Parameters that one launch updates: as many as the 4 KiB of a kernel's arguments hold.
constexpr int most_updates = 59;

}  // namespace trifold::kernels::cuda
