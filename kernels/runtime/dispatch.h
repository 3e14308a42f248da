/// How a contract's function finds its twin: the only place that switches on the device. Included
/// by kernels/runtime/dispatch*.cpp alone.
#pragma once

#include <type_traits>

#include "kernels/cuda/providers.h"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/profile.h"
#include "kernels/runtime/trace.h"

namespace trifold::kernels {

#if TRIFOLD_WITH_CUDA
/// Calls the twin of ex.device, with that device as the thread's current one.
template <class... Args>
void run(const Exec& ex, const char* name, void (*on_cpu)(const Exec&, Args...),
         void (*on_cuda)(const Exec&, Args...), std::type_identity_t<Args>... args) {
  const ProfiledScope scope(ex, name);
  if (ex.device.kind == DeviceKind::cpu) return on_cpu(ex, args...);
  cuda::require_device(ex.device);
  const TraceRange range(name);
  on_cuda(ex, args...);
}

template <class Result, class... Args>
Result run_on(Device device, const char* name, Result (*on_cpu)(Args...),
              Result (*on_cuda)(Args...), std::type_identity_t<Args>... args) {
  require_device(device);
  const TraceRange range(name);
  return device.kind == DeviceKind::cpu ? on_cpu(args...) : on_cuda(args...);
}

/// For what a device in use leaves behind: it needs no check.
template <class... Args>
void run_quietly(Device device, const char*, void (*on_cpu)(Device, Args...) noexcept,
                 void (*on_cuda)(Device, Args...) noexcept,
                 std::type_identity_t<Args>... args) noexcept {
  device.kind == DeviceKind::cpu ? on_cpu(device, args...) : on_cuda(device, args...);
}

#define TRIFOLD_TWINS(op) #op, cpu::op, cuda::op
// Ops that a provider has, too.
#if TRIFOLD_WITH_CUBLAS
#define TRIFOLD_OR_CUBLAS(op) #op, cpu::op, cuda::providers().cublas ? cuda::cublas::op : cuda::op
#endif
#if TRIFOLD_WITH_CUDNN
#define TRIFOLD_OR_CUDNN(op) #op, cpu::op, cuda::providers().cudnn ? cuda::cudnn::op : cuda::op
#endif
#else
template <class... Args>
void run(const Exec& ex, const char* name, void (*on_cpu)(const Exec&, Args...),
         std::type_identity_t<Args>... args) {
  require_device(ex.device);
  const ProfiledScope scope(ex, name);
  on_cpu(ex, args...);
}

template <class Result, class... Args>
Result run_on(Device device, const char*, Result (*on_cpu)(Args...),
              std::type_identity_t<Args>... args) {
  require_device(device);
  return on_cpu(args...);
}

template <class... Args>
void run_quietly(Device device, const char*, void (*on_cpu)(Device, Args...) noexcept,
                 std::type_identity_t<Args>... args) noexcept {
  on_cpu(device, args...);
}

#define TRIFOLD_TWINS(op) #op, cpu::op
#endif

#ifndef TRIFOLD_OR_CUBLAS
#define TRIFOLD_OR_CUBLAS(op) TRIFOLD_TWINS(op)
#endif
#ifndef TRIFOLD_OR_CUDNN
#define TRIFOLD_OR_CUDNN(op) TRIFOLD_TWINS(op)
#endif

}  // namespace trifold::kernels
