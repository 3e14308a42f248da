/// Links from GPU to GPU.
#include "kernels/cuda/nccl_links.h"

#include <array>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <thread>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/nccl_api.h"
#include "kernels/runtime/memory.h"

namespace trifold::kernels::cuda {
namespace {

void check(int result, const char* call) {
  if (result == nccl_success || result == nccl_in_progress) return;
  throw DeviceError(std::string(call) + " failed (" + nccl_api()->get_error_string(result) +
                    "); NCCL_DEBUG=INFO says more, TRIFOLD_NCCL=0 does without NCCL");
}

class NcclLinks : public DeviceLinks {
 public:
  NcclLinks(const Links& links, const NcclUniqueId& id, Device device)
      : host_(links), device_(device) {
    check(nccl_api()->comm_init_rank(&comm_, links.ranks(), id, links.rank()), "ncclCommInitRank");
  }

  ~NcclLinks() override {
    if (comm_ != nullptr) static_cast<void>(nccl_api()->comm_destroy(comm_));
  }

  void exchange(int peer, const void* out, void* in, std::int64_t bytes,
                DeviceStream* on) const override {
    kernels::require_device(device_);  // of the thread, which may be another one
    const cudaStream_t stream = stream_of(device_, on);
    const NcclApi& api = *nccl_api();
    const auto count = static_cast<std::size_t>(bytes);
    check(api.group_start(), "ncclGroupStart");
    check(api.send(out, count, nccl_int8, peer, comm_, stream), "ncclSend");
    check(api.recv(in, count, nccl_int8, peer, comm_, stream), "ncclRecv");
    int result = api.group_end();
    Patience wait(host_.patience());
    bool silent = false;
    while (result == nccl_success || result == nccl_in_progress) {
      const cudaError_t status = cudaStreamQuery(stream);
      if (status != cudaErrorNotReady) return TRIFOLD_CUDA_CHECK(status);
      silent = wait.over();
      if (silent || host_.lost(peer)) result = nccl_remote_error;
      if (result != nccl_remote_error) check(api.comm_get_async_error(comm_, &result), "NCCL");
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    if (result == nccl_remote_error) {
      // Else its kernel would wait for the other for ever, and whoever waits for the stream, too.
      static_cast<void>(api.comm_abort(comm_));
      comm_ = nullptr;
      if (silent) host_.throw_silent(peer);
      host_.throw_lost(peer);
    }
    check(result, "an exchange by NCCL");
  }

 private:
  const Links& host_;
  Device device_;
  mutable NcclComm* comm_ = nullptr;  // gone once a rank is lost
};

// Rank 0's bytes on all ranks. Sums of whole numbers are exact.
NcclUniqueId from_rank_0(const Collective& group, const NcclUniqueId& id) {
  std::array<double, sizeof(NcclUniqueId)> numbers{};
  if (group.rank() == 0) {
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = id.bytes[i];
  }
  group.sum(std::span<double>(numbers));
  NcclUniqueId result;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    result.bytes[i] = static_cast<char>(numbers[i]);
  }
  return result;
}

}  // namespace

std::unique_ptr<DeviceLinks> nccl_links(const Collective& group, const Links& links,
                                        Device device) {
  double missing = nccl_api() == nullptr ? 1 : 0;
  group.sum(std::span<double>(&missing, 1));
  if (missing > 0) return nullptr;
  NcclUniqueId id{};
  int result = group.rank() == 0 ? nccl_api()->get_unique_id(&id) : nccl_success;
  double failed = result == nccl_success ? 0 : 1;
  group.sum(std::span<double>(&failed, 1));
  if (failed > 0) {
    check(result, "ncclGetUniqueId");
    throw DeviceError("NCCL failed on rank 0");
  }
  kernels::require_device(device);
  return std::make_unique<NcclLinks>(links, from_rank_0(group, id), device);
}

}  // namespace trifold::kernels::cuda
