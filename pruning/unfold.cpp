#include "pruning/unfold.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/data/device_loader.h"
#include "nn/execute/executor.h"
#include "nn/overloaded.h"
#include "nn/train/network_input.h"
#include "pruning/channels.h"

namespace trifold::pruning {
namespace {

using nn::BatchNorm;
using nn::Graph;
using nn::NodeId;

// Of a convolution's output, by channel.
struct Statistics {
  std::vector<double> mean, variance;
};

std::map<NodeId, Statistics> measure(const nn::Network& network, const std::vector<NodeId>& convs,
                                     const nn::Dataset& train,
                                     const nn::Normalisation& normalisation, nn::InputSize size,
                                     const kernels::Exec& ex, std::uint64_t seed,
                                     std::int64_t images) {
  nn::check_fits(network, train);
  // All of the outputs are in memory at once.
  constexpr std::int64_t batch = 32;
  nn::DeviceLoader loader(train, normalisation,
                          {.batch = std::min(batch, train.count), .seed = seed}, ex);
  const nn::Executor executor(network);
  std::map<NodeId, Statistics> found;
  std::map<NodeId, double> counts;
  loader.start(0);
  std::int64_t seen = 0;
  while (seen < images) {
    const std::optional<nn::DeviceBatch> next = loader.next();
    if (!next) break;
    engine::Tape tape(ex, engine::Tape::Mode::no_grad);
    const std::vector<engine::Var> outputs =
        executor.forward(tape, nn::network_input(ex, next->x, size), nn::inference, convs).taps;
    for (std::size_t i = 0; i < convs.size(); ++i) {
      const engine::Tensor y = outputs[i].value.to(Device{});
      const auto channels = static_cast<std::size_t>(y.shape().channels());
      Statistics& s = found[convs[i]];
      s.mean.resize(channels);
      s.variance.resize(channels);
      const std::span<const float> values = y.values();
      for (std::size_t j = 0; j < values.size(); ++j) {
        const double v = values[j];
        s.mean[j % channels] += v;
        s.variance[j % channels] += v * v;
      }
      counts[convs[i]] += static_cast<double>(values.size() / channels);
    }
    seen += next->x.shape()[0];
  }
  for (auto& [conv, s] : found) {
    for (std::size_t c = 0; c < s.mean.size(); ++c) {
      s.mean[c] /= counts[conv];
      s.variance[c] = std::max(0.0, s.variance[c] / counts[conv] - s.mean[c] * s.mean[c]);
      require<DivergedError>(std::isfinite(s.mean[c]) && std::isfinite(s.variance[c]),
                             "{}: channel {} of its output is not finite on images of {}",
                             network.graph().node(conv).name, c, train.name);
    }
  }
  return found;
}

// The same graph with norms, and which node each norm belongs to.
class Unfolding {
 public:
  Unfolding(const Graph& old, const std::vector<NodeId>& convs)
      : old_(old), readers_(old.readers()), convs_(convs.begin(), convs.end()) {
    for (const nn::Node& node : old.nodes) names_.insert(node.name);
    for (NodeId id = 0; id < old.size(); ++id) moved_.push_back(add(id));
    for (nn::Block block : old.blocks) {
      block.input = moved(block.input);
      block.output = moved(block.output);
      graph.blocks.push_back(std::move(block));
    }
  }

  Graph graph;
  std::map<NodeId, std::string> norms;  ///< by convolution of the old graph

 private:
  NodeId moved(NodeId id) const { return moved_[static_cast<std::size_t>(id)]; }
  const std::vector<NodeId>& readers(NodeId id) const {
    return readers_[static_cast<std::size_t>(id)];
  }

  // The node of this kind that alone reads `id`, and isn't the network's result; else -1.
  template <class Kind>
  NodeId only_reader(NodeId id) const {
    if (readers(id).size() != 1) return -1;
    const NodeId reader = readers(id).front();
    return std::holds_alternative<Kind>(old_.node(reader).op) && reader != old_.output() ? reader
                                                                                         : -1;
  }

  // The convolution whose norm adds the other input of an Add; -1 where there is none.
  NodeId adder(NodeId id) const {
    const std::vector<NodeId>& inputs = old_.node(id).inputs;
    if (id == old_.output() || inputs[0] == inputs[1]) return -1;
    for (NodeId in : inputs) {
      if (convs_.contains(in) && readers(in).size() == 1) return in;
    }
    return -1;
  }

  NodeId add_norm(NodeId conv, bool relu, std::vector<NodeId> inputs) {
    std::string name = old_.node(conv).name + ".norm";
    while (!names_.insert(name).second) name += "_";
    norms[conv] = name;
    return graph.add(name, BatchNorm{.relu = relu}, std::move(inputs));
  }

  // Adds what becomes of the node, and returns what its readers are to read.
  NodeId add(NodeId id) {
    const nn::Node& node = old_.node(id);
    std::vector<NodeId> inputs;
    for (NodeId in : node.inputs) inputs.push_back(moved(in));
    if (taken_.contains(id)) return inputs.front();  // the ReLU of a norm
    if (std::holds_alternative<nn::Add>(node.op)) {
      if (const NodeId conv = adder(id); conv != -1) {
        const NodeId other = node.inputs[0] == conv ? inputs[1] : inputs[0];
        return add_norm(conv, take_relu(id), {moved(conv), other});
      }
    }
    if (!convs_.contains(id)) return graph.add(node.name, node.op, std::move(inputs));
    nn::Op conv = node.op;
    std::visit(nn::Overloaded{[](nn::Convolves auto& op) { op.bias = false; }, [](auto&) {}}, conv);
    const NodeId made = graph.add(node.name, std::move(conv), std::move(inputs));
    if (const NodeId sum = only_reader<nn::Add>(id); sum != -1 && adder(sum) == id) return made;
    return add_norm(id, take_relu(id), {made});
  }

  bool take_relu(NodeId id) {
    const NodeId relu = only_reader<nn::Relu>(id);
    if (relu != -1) taken_.insert(relu);
    return relu != -1;
  }

  const Graph& old_;
  std::vector<std::vector<NodeId>> readers_;
  std::set<NodeId> convs_, taken_;
  std::set<std::string> names_;
  std::vector<NodeId> moved_;
};

void set(nn::Network& network, const std::string& name, const std::vector<double>& values) {
  engine::Tensor& target = network.parameter(name).var.value;
  engine::Tensor made = engine::Tensor::empty(target.shape());
  for (std::size_t i = 0; i < values.size(); ++i) {
    made.values()[i] = static_cast<float>(values[i]);
  }
  target = made.to(network.device());
}

}  // namespace

std::vector<NodeId> without_norm(const Graph& graph) {
  const Coupling coupling = find_coupling(graph);
  std::set<NodeId> found;
  for (const ChannelClass& channels : coupling.classes) {
    if (!channels.batch_norms.empty()) continue;
    for (const ChannelClass::Member& made : channels.producers) {
      if (std::holds_alternative<nn::Conv2d>(graph.node(made.node).op) &&
          made.node != graph.output()) {
        found.insert(made.node);
      }
    }
    for (const NodeId id : channels.nodes) {
      const bool passes_on = nn::is_convolution(graph.node(id).op) &&
                             nn::channel_flow(graph.node(id).op) != nn::ChannelFlow::made;
      if (passes_on && id != graph.output()) found.insert(id);
    }
  }
  return {found.begin(), found.end()};
}

nn::Network with_batch_norms(const nn::Network& network, const nn::Dataset& train,
                             const nn::Normalisation& normalisation, nn::InputSize size,
                             const kernels::Exec& ex, std::uint64_t seed, std::int64_t images) {
  const std::vector<NodeId> convs = without_norm(network.graph());
  if (convs.empty()) return network.clone();
  const std::map<NodeId, Statistics> statistics =
      measure(network, convs, train, normalisation, size, ex, seed, images);
  const Unfolding unfolding(network.graph(), convs);
  nn::Network result(unfolding.graph, network.device());
  for (const nn::Parameter& p : network.parameters()) {
    if (result.has_parameter(p.name)) result.parameter(p.name).var.value = p.var.value.clone();
  }
  for (const auto& [conv, s] : statistics) {
    const std::string& name = network.graph().node(conv).name;
    const std::string& norm = unfolding.norms.at(conv);
    std::vector<double> gamma, running_mean = s.mean;
    for (double v : s.variance) gamma.push_back(std::sqrt(v + BatchNorm{}.eps));
    if (network.has_parameter(name + ".bias")) {
      const engine::Tensor bias = network.parameter(name + ".bias").var.value.to(Device{});
      for (std::size_t c = 0; c < running_mean.size(); ++c) running_mean[c] -= bias.values()[c];
    }
    set(result, norm + ".weight", gamma);
    set(result, norm + ".bias", s.mean);
    set(result, norm + ".running_mean", running_mean);
    set(result, norm + ".running_var", s.variance);
  }
  return result;
}

}  // namespace trifold::pruning
