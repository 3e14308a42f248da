/// Launches of emulated kernels.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/simt/device.h"

namespace simt {

/// A kernel with copies of its arguments, which may run later than the launch returns.
struct Launch {
  const void* kernel = nullptr;
  void (*call)(void* arguments) = nullptr;
  std::shared_ptr<void> arguments;
  std::size_t arguments_bytes = 0;
  dim3 grid, block;
  std::size_t dynamic_shared_bytes = 0;
  cudaStream_t stream = nullptr;
  bool asks = false;  ///< for the shared memory that it needs, by allow_shared()
};

/// Checks the configuration and puts the launch on its stream.
cudaError_t enqueue(Launch launch);

/// Runs every block of the launch now; false if it was reported for a fault.
bool run(const Launch& launch);

/// The launch as CUDA's triple chevrons make it, which asks for nothing.
template <class... Parameters, class... Arguments>
Launch make_launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t dynamic_shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "wrong number of arguments");
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<std::decay_t<Parameters>...> arguments;
  };
  Launch all;
  all.kernel = reinterpret_cast<const void*>(kernel);
  all.call = [](void* call) {
    auto& c = *static_cast<Call*>(call);
    std::apply(c.kernel, c.arguments);
  };
  all.arguments = std::make_shared<Call>(
      Call{kernel, std::tuple<std::decay_t<Parameters>...>(static_cast<Parameters>(arguments)...)});
  all.arguments_bytes = sizeof(Call);
  all.grid = grid;
  all.block = block;
  all.dynamic_shared_bytes = dynamic_shared_bytes;
  all.stream = stream;
  return all;
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t dynamic_shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  Launch all = make_launch(kernel, grid, block, dynamic_shared_bytes, stream,
                           std::forward<Arguments>(arguments)...);
  all.asks = true;
  return enqueue(std::move(all));
}

}  // namespace simt
