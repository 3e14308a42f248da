#include "bench/step_run.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tensor.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"
#include "nn/execute/executor.h"
#include "nn/train/sgd.h"
#if TRIFOLD_WITH_CUDA
#include "kernels/cuda/launch_times.h"
#endif
#if defined(SIMT_EMULATED)
#include "kernels/simt/emulator.h"
#include "kernels/simt/profile.h"
#endif

namespace trifold::bench {
namespace {

using Kinds = std::span<const std::pair<const char*, const char*>>;

/// Which kernels make a kind: parts of their names, the first that fits.
[[maybe_unused]] constexpr std::array<std::pair<const char*, const char*>, 26> kinds_of_kernels{
    {{"backward_sums_kernel", "sums of parts"},
     {"fused_backward_kernel", "convolution, both gradients"},
     {"backward_data_kernel", "convolution, data gradient"},
     {"backward_weight_kernel", "convolution, weight gradient"},
     {"forward_kernel", "convolution, forward"},
     {"finish_sums_kernel", "sums of parts"},
     {"column_sums_kernel", "sums of parts"},
     {"TileStatisticsTerms", "sums of parts"},
     {"PartTerms", "sums of parts"},
     {"StatisticsTerms", "norm, statistics"},
     {"GradientTerms", "norm, gradient sums"},
     {"CombineGradients", "norm, gradient"},
     {"Normalise", "norm, apply"},
     {"batch_norm_factors", "norm, factors"},
     {"batch_norm_gradient_coefficients", "norm, factors"},
     {"ReluGradient>", "ReLU, gradient"},
     {"Relu>", "ReLU"},
     {"Gather", "gather"},
     {"Copy", "concat"},
     {"Pool", "pool"},
     {"pool", "pool"},
     {"Sum>", "add"},
     {"AddParts", "linear"},
     {"update_parameters", "update"},
     {"product_kernel", "linear"},
     {"reader_chains", "gather"}}};

/// The same for the names that launches are checked under.
[[maybe_unused]] constexpr std::array<std::pair<const char*, const char*>, 22> kinds_of_launches{
    {{"backward_data", "convolution, data gradient"},
     {"backward_weight", "convolution, weight gradient"},
     {"norm_conv2d_backward", "convolution, both gradients"},
     {"conv2d_forward", "convolution, forward"},
     {"column_sums", "sums of parts"},
     {"norm_conv2d_", "sums of parts"},
     {"_totals", "sums of parts"},
     {"batch_norm_statistics", "norm, statistics"},
     {"batch_norm_gradient_sums", "norm, gradient sums"},
     {"batch_norm_gradient_coefficients", "norm, factors"},
     {"batch_norm_gradient", "norm, gradient"},
     {"batch_norm_factors", "norm, factors"},
     {"batch_norm_apply", "norm, apply"},
     {"relu_backward", "ReLU, gradient"},
     {"relu_forward", "ReLU"},
     {"gather", "gather"},
     {"copy_channels", "concat"},
     {"pool", "pool"},
     {"linear", "linear"},
     {"update_parameters", "update"},
     {"add_to_totals", "loss"},
     {"add", "add"}}};

[[maybe_unused]] std::string kind_of(std::string_view kernel, Kinds kinds) {
  const auto at = std::ranges::find_if(
      kinds, [&](const auto& entry) { return kernel.find(entry.first) != kernel.npos; });
  return at == kinds.end() ? "loss" : at->second;
}

/// Steps of a network on blank images.
class [[maybe_unused]] Steps {
 public:
  Steps(const nn::Graph& graph, std::int64_t side, std::int64_t batch, const kernels::Exec& ex)
      : ex_(ex),
        network_(initialised(graph).to(ex.device)),
        executor_(network_),
        sgd_(network_, {}, ex) {
    images_ = engine::Tensor::zeros({batch, side, side, 3}).to(ex.device);
    const std::vector<std::int32_t> classes(static_cast<std::size_t>(batch), 0);
    labels_ = engine::Tensor::from({batch}, std::span<const std::int32_t>(classes), ex.device);
  }

  void run(bool fused) {
    nn::ForwardMode mode = nn::training;
    mode.fused = fused;
    engine::Tape tape(ex_);
    const engine::Var logits = executor_.forward(tape, engine::Var::constant(images_), mode).logits;
    tape.backward(engine::softmax_cross_entropy(tape, logits, labels_, 0.0f));
    sgd_.step(network_);
  }

 private:
  static nn::Network initialised(const nn::Graph& graph) {
    nn::Network network(graph);
    nn::initialise(network, 1);
    return network;
  }

  kernels::Exec ex_;
  nn::Network network_;
  nn::Executor executor_;
  nn::Sgd sgd_;
  engine::Tensor images_, labels_;
};

}  // namespace

#if defined(SIMT_EMULATED)
std::map<std::string, CountedKind> count_step(const nn::Graph& graph, std::int64_t side,
                                              std::int64_t batch, Fusion fusion) {
  Steps steps(graph, side, batch,
              {.device = {DeviceKind::cuda, 0}, .precision = kernels::Precision::bf16});
  simt::clear_profiles();
  simt::settings().profile = true;
  steps.run(fusion == Fusion::convolutions);
  simt::settings().profile = false;

  std::map<std::string, CountedKind> kinds;
  for (const simt::Profile& p : simt::profiles()) {
    CountedKind& kind = kinds[kind_of(p.kernel, kinds_of_kernels)];
    kind.launches += p.launches;
    kind.bytes += static_cast<double>(p.dram_read_bytes + p.dram_written_bytes);
    kind.tensor_macs += static_cast<double>(p.tensor_fmas);
  }
  return kinds;
}
#else
std::map<std::string, CountedKind> count_step(const nn::Graph&, std::int64_t, std::int64_t,
                                              Fusion) {
  throw DeviceError("kernels are counted in a build with the preset emulated-check alone");
}
#endif

#if TRIFOLD_WITH_CUDA
std::map<std::string, TimedKind> time_step(const nn::Graph& graph, std::int64_t side,
                                           std::int64_t batch, kernels::Precision precision) {
  constexpr int untimed = 5, timed = 20;
  const kernels::Exec ex{.device = {DeviceKind::cuda, 0}, .precision = precision};
  Steps steps(graph, side, batch, ex);
  for (int i = 0; i < untimed; ++i) steps.run(true);
  kernels::synchronize(ex.device, ex.stream);
  kernels::cuda::start_launch_times();
  for (int i = 0; i < timed; ++i) steps.run(true);
  std::map<std::string, TimedKind> kinds;
  for (const auto& [kernel, times] : kernels::cuda::stop_launch_times(ex.device)) {
    TimedKind& kind = kinds[kind_of(kernel, kinds_of_launches)];
    kind.launches += static_cast<double>(times.launches) / timed;
    kind.seconds += times.seconds / timed;
  }
  return kinds;
}
#else
std::map<std::string, TimedKind> time_step(const nn::Graph&, std::int64_t, std::int64_t,
                                           kernels::Precision) {
  throw DeviceError("this build has no CUDA backend");
}
#endif

}  // namespace trifold::bench
