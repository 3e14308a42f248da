/// The runtime API's device, errors and launches.
#include <cstring>

#include "kernels/simt/arena.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/limits.h"
#include "kernels/simt/report.h"
#include "kernels/simt/streams.h"

namespace simt {
namespace {

/// The device claims an H100's size, and what blocks may have at the capability that is set.
constexpr int multiprocessors = 132;

/// Of a kernel's parameters, without the pointer to the kernel that lies beside them.
constexpr std::size_t most_parameter_bytes = 4096;

cudaError_t last_error = cudaSuccess, fault = cudaSuccess;
thread_local int current_device = 0;

bool is_device(int device) { return device >= 0 && device < settings().devices; }

bool configuration_fits(const Launch& l) {
  const std::uint64_t threads = std::uint64_t{l.block.x} * l.block.y * l.block.z;
  return threads >= 1 && threads <= 1024 && l.block.z <= 64 && l.grid.x >= 1 && l.grid.y >= 1 &&
         l.grid.z >= 1 && l.grid.x <= 0x7fffffff && l.grid.y <= 65535 && l.grid.z <= 65535 &&
         l.arguments_bytes <= sizeof(void*) + most_parameter_bytes;
}

}  // namespace

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return fault != cudaSuccess ? fault : error;
}

void set_fault(cudaError_t error) { fault = last_error = error; }

bool has_fault() { return fault != cudaSuccess; }

void reset() {
  const auto lock = lock_runtime();
  finish_all_streams();
  take_reports();
  last_error = fault = cudaSuccess;
}

cudaError_t enqueue(Launch launch) {
  const auto lock = lock_runtime();
  if (!configuration_fits(launch)) {
    report(Fault::bad_launch,
           text(kernel_name(launch.kernel), ": no GPU takes a grid of (", launch.grid.x, ",",
                launch.grid.y, ",", launch.grid.z, ") blocks of (", launch.block.x, ",",
                launch.block.y, ",", launch.block.z, ") threads with ",
                launch.arguments_bytes - sizeof(void*), " bytes of parameters"));
    return result(cudaErrorInvalidConfiguration);
  }
  if (!shared_memory_fits(launch, static_shared_bytes(launch.kernel))) {
    report(Fault::bad_launch, shared_memory_refused(launch));
    return result(cudaErrorInvalidValue);
  }
  Stream& stream = stream_of(launch.stream);
  push(stream, [l = std::move(launch)] {
    if (!has_fault() && !run(l)) set_fault(cudaErrorLaunchFailure);
  });
  return result(cudaSuccess);
}

}  // namespace simt

using simt::result;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = simt::settings().devices;
  return result(cudaSuccess);
}

cudaError_t cudaGetDevice(int* device) {
  *device = simt::current_device;
  return result(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  if (!simt::is_device(device)) return result(cudaErrorInvalidDevice);
  simt::current_device = device;
  return result(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!simt::is_device(device)) return result(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "SIMT emulator");
  properties->totalGlobalMem = simt::arena::capacity;
  properties->sharedMemPerBlock = simt::shared_by_default;
  properties->sharedMemPerBlockOptin = simt::device_limits().shared_opt_in;
  properties->sharedMemPerMultiprocessor = simt::device_limits().shared_per_multiprocessor;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = simt::device_limits().threads_per_multiprocessor;
  properties->multiProcessorCount = simt::multiprocessors;
  properties->l2CacheSize = 50 << 20;
  properties->major = simt::settings().capability / 10;
  properties->minor = simt::settings().capability % 10;
  return result(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) {
    return error;
  }
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    default:
      return result(cudaErrorInvalidValue);
  }
  return result(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return result(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaGetLastError() {
  const auto lock = simt::lock_runtime();
  const cudaError_t error = cudaPeekAtLastError();
  simt::last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  return simt::fault != cudaSuccess ? simt::fault : simt::last_error;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "the emulator reported a fault of a kernel";
    case cudaErrorNotSupported:
      return "operation not supported";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
  }
  return "cudaErrorUnknown";
}
