#include "pruning/criteria/taylor.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/ops.h"
#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/data/device_loader.h"
#include "nn/execute/executor.h"
#include "nn/train/network_input.h"
#include "pruning/channels.h"

namespace trifold::pruning {
namespace {

constexpr std::int64_t batch_size = 100, most_batches = 20;

// The sums of value x gradient over each channel of a parameter, which is its last extent.
class GateDerivatives {
 public:
  explicit GateDerivatives(const nn::Network& network) : network_(network) {}

  // Of all parameters of the node.
  double operator()(nn::NodeId node, std::int64_t channel) {
    const std::string& name = network_.graph().node(node).name;
    double sum = 0;
    for (const char* suffix : {".weight", ".bias"}) {
      if (network_.has_parameter(name + suffix)) {
        sum += products(name + suffix)[static_cast<std::size_t>(channel)];
      }
    }
    return sum;
  }

 private:
  const std::vector<double>& products(const std::string& name) {
    std::vector<double>& sums = products_[name];
    if (!sums.empty()) return sums;
    const engine::Var& var = network_.parameter(name).var;
    sums.resize(static_cast<std::size_t>(var.shape().channels()), 0.0);
    const engine::Tensor value = var.value.to(Device{});
    const engine::Tensor gradient = var.gradient->sum().to(Device{});
    for (std::size_t i = 0; i < value.values().size(); ++i) {
      const double product = static_cast<double>(value.values()[i]) * gradient.values()[i];
      require<DivergedError>(std::isfinite(product), "a gradient of '{}' is not finite", name);
      sums[i % sums.size()] += product;
    }
    return sums;
  }

  const nn::Network& network_;
  std::map<std::string, std::vector<double>> products_;
};

}  // namespace

std::vector<double> Taylor::scores(const nn::Network& original, const Units& units,
                                   const Evidence& evidence) const {
  nn::Network network = original.clone();
  std::vector<std::int64_t> chosen = engine::permutation(
      evidence.train.count, engine::Random(evidence.seed, engine::random_streams::criterion));
  const std::int64_t batch = std::min(batch_size, evidence.train.count),
                     most = std::min({evidence.images, evidence.train.count, most_batches * batch});
  const std::int64_t batches = std::max<std::int64_t>(most / batch, 1);
  chosen.resize(static_cast<std::size_t>(batches * batch));
  const nn::Dataset images = nn::subset(evidence.train, chosen);
  nn::DeviceLoader loader(images, evidence.normalisation, {.batch = batch, .shuffle = false},
                          evidence.ex);
  loader.start(0);
  const nn::Executor executor(network);
  std::vector<double> scores(units.units.size(), 0.0);
  while (const std::optional<nn::DeviceBatch> images_of_batch = loader.next()) {
    for (nn::Parameter& p : network.parameters()) {
      if (nn::is_trainable(p.role)) p.var.gradient->take();
    }
    engine::Tape tape(evidence.ex);
    const engine::Var x = nn::network_input(evidence.ex, images_of_batch->x, evidence.size);
    const engine::Var logits = executor.forward(tape, x, nn::training).logits;
    tape.backward(engine::softmax_cross_entropy(tape, logits, images_of_batch->labels, 0.0f));
    GateDerivatives derivative(network);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Unit& unit = units.units[i];
      std::vector<ChannelClass::Member> gated{{unit.reader, unit.channel}};
      if (!unit.is_selection()) {
        const ChannelClass& channels = units.coupling[unit.channel_class];
        gated = channels.batch_norms;
        if (gated.empty()) gated = channels.producers;
      }
      double sum = 0;
      for (const auto& [node, channel] : gated) sum += derivative(node, channel);
      scores[i] += sum * sum / static_cast<double>(batches);
    }
  }
  return scores;
}

}  // namespace trifold::pruning
