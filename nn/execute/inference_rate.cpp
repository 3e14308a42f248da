#include "nn/execute/inference_rate.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "nn/execute/folded_network.h"

namespace trifold::nn {

double inference_rate(const Network& network, std::int64_t side, const kernels::Exec& ex,
                      std::int64_t batch) {
  using Clock = std::chrono::steady_clock;
  FoldedNetwork folded(network);
  const engine::Tensor images = engine::Tensor::filled(
      {batch, side, side, network.graph().input_channels()}, 0.5f, ex.device);
  std::vector<double> seconds;
  const auto start = Clock::now();
  const auto since = [](Clock::time_point t) {
    return std::chrono::duration<double>(Clock::now() - t).count();
  };
  folded.forward(ex, images);
  while (seconds.size() < 3 || since(start) < 1.0) {
    const auto pass = Clock::now();
    folded.forward(ex, images).to(Device{});  // a copy to the CPU waits for the device
    seconds.push_back(since(pass));
  }
  std::ranges::sort(seconds);
  return static_cast<double>(batch) / seconds[seconds.size() / 2];
}

}  // namespace trifold::nn
