/// The devices, and the checks of calls and launches.
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/providers.h"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda {
namespace {

struct Devices {
  int count = 0;
  cudaError_t status;

  Devices() {
    status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess) return;
    count = 0;
    cudaGetLastError();  // Seen and kept; the next call starts clean.
  }
};

/// Asked once: a driver that isn't there won't come.
const Devices& devices() {
  static const Devices all;
  return all;
}

bool waits_for_kernels() {
  static const bool on = [] {
    const char* value = std::getenv("TRIFOLD_CUDA_SYNC");
    return value != nullptr && std::string_view(value) == "1";
  }();
  return on;
}

}  // namespace

int device_count() { return devices().count; }

void require_device(Device device) {
  providers();  // A name that can't be had is an error from the start.
  const Devices& all = devices();
  if (all.status != cudaSuccess) {
    throw DeviceError(std::string("no CUDA device can be used here (") +
                      cudaGetErrorString(all.status) + ")");
  }
  if (device.index < 0 || device.index >= all.count) {
    throw DeviceError("there is no CUDA device " + std::to_string(device.index) +
                      ", for this machine has " + std::to_string(all.count) + ", numbered from 0");
  }
  TRIFOLD_CUDA_CHECK(cudaSetDevice(device.index));
}

// Never destroyed: what lives longer than it would may still release memory.
cudaStream_t main_stream(Device device) {
  static std::mutex mutex;
  static auto& streams = *new std::map<int, cudaStream_t>;
  const std::lock_guard lock(mutex);
  cudaStream_t& stream = streams[device.index];
  if (stream == nullptr) {
    TRIFOLD_CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  }
  return stream;
}

void check_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // It is reported here, so that the next check doesn't find it again.
  throw DeviceError(std::string(call) + " failed (" + cudaGetErrorString(status) +
                    "); if a kernel before it is at fault, TRIFOLD_CUDA_SYNC=1 names it");
}

void check_launch(cudaError_t status, const Exec& ex, const char* kernel_name) {
  if (status == cudaSuccess && waits_for_kernels()) status = cudaStreamSynchronize(stream_of(ex));
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw DeviceError(std::string("the CUDA kernel ") + kernel_name + " failed (" +
                    cudaGetErrorString(status) + ")");
}

bool has_tensor_cores(Device device) {
  int major = 0;
  TRIFOLD_CUDA_CHECK(
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index));
  return major >= 8;
}

}  // namespace trifold::kernels::cuda
