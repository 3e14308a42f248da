/// The runtime API's device, errors and launches.
#include <cstdlib>
#include <cstring>

#include "kernels/simt/arena.h"
#include "kernels/simt/launch.h"
#include "kernels/simt/report.h"
#include "kernels/simt/streams.h"

namespace simt {
namespace {

/// What the device claims to be: an H100 in what a kernel may use, of compute capability 8.0 or as
/// SIMT_CAPABILITY says (as in 75), so that tests reach the code for older devices too.
constexpr int shared_limit = 227 * 1024, multiprocessors = 132;

int capability() {
  static const int value = [] {
    const char* text = std::getenv("SIMT_CAPABILITY");
    return text == nullptr ? 80 : std::atoi(text);
  }();
  return value;
}

cudaError_t last_error = cudaSuccess, fault = cudaSuccess;

bool configuration_fits(const Launch& l) {
  const std::uint64_t threads = std::uint64_t{l.block.x} * l.block.y * l.block.z;
  return threads >= 1 && threads <= 1024 && l.block.z <= 64 && l.grid.x >= 1 && l.grid.y >= 1 &&
         l.grid.z >= 1 && l.grid.x <= 0x7fffffff && l.grid.y <= 65535 && l.grid.z <= 65535 &&
         l.dynamic_shared_bytes <= shared_limit;
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
                launch.block.y, ",", launch.block.z, ") threads with ", launch.dynamic_shared_bytes,
                " bytes of dynamic shared memory"));
    return result(cudaErrorInvalidConfiguration);
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
  *count = 1;
  return result(cudaSuccess);
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return result(cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  return result(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return result(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "SIMT emulator");
  properties->totalGlobalMem = simt::arena::capacity;
  properties->sharedMemPerBlock = 48 * 1024;
  properties->sharedMemPerBlockOptin = simt::shared_limit;
  properties->sharedMemPerMultiprocessor = 228 * 1024;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->multiProcessorCount = simt::multiprocessors;
  properties->l2CacheSize = 50 << 20;
  properties->major = simt::capability() / 10;
  properties->minor = simt::capability() % 10;
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
      *value = 48 * 1024;
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
      *value = 228 * 1024;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = simt::shared_limit;
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

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
  const bool refused =
      attribute == cudaFuncAttributeMaxDynamicSharedMemorySize && value > simt::shared_limit;
  return result(refused ? cudaErrorInvalidValue : cudaSuccess);
}

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
