/// Links from GPU to GPU. Plain C++, no CUDA.
///
/// Test tests/kernels/collective_test.cpp.
#pragma once

#include <memory>

#include "kernels/collective.h"

namespace trifold::kernels::cuda {

/// Links from `device`, this rank's, to the GPUs of the group's other ranks, by NCCL's sends and
/// receives and not its all-reduce, whose order of adding is its own. Null, on all ranks, where one of
/// them has no NCCL. `links` are the group's own, by which the ends of others are noticed; they outlive
/// these. Their patience includes the stream's earlier work, and doesn't hold while NCCL connects.
/// Errors    RankLostError. DeviceError: NCCL refuses.
std::unique_ptr<DeviceLinks> nccl_links(const Collective& group, const Links& links, Device device);

}  // namespace trifold::kernels::cuda
