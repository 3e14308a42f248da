#include "nn/folded_network.h"

#include <cmath>

#include "nn/forward_pass.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

namespace {

/// A convolution's weights and bias on the CPU.
struct Weights {
  Tensor w, b;
};

/// Takes the batch norm's scale and shift into the convolution in front of it.
void fold(const Network& network, const std::string& name, float eps, Weights& weights) {
  const auto values = [&](const char* suffix) {
    return network.parameter(name + suffix).var.value.to(Device{});
  };
  const Tensor gamma = values(".weight"), beta = values(".bias");
  const Tensor mean = values(".running_mean"), variance = values(".running_var");
  float *const w = weights.w.data(), *const b = weights.b.data();
  const std::int64_t filters = beta.size();
  for (std::int64_t f = 0; f < filters; ++f) {
    const double scale = gamma.data()[f] / std::sqrt(double{variance.data()[f]} + eps);
    for (std::int64_t i = f; i < weights.w.size(); i += filters) {
      w[i] = static_cast<float>(w[i] * scale);
    }
    b[f] = static_cast<float>(beta.data()[f] + (double{b[f]} - mean.data()[f]) * scale);
  }
}

}  // namespace

FoldedNetwork::FoldedNetwork(const Network& network)
    : network_(network), skipped_(network.graph().nodes.size(), false) {
  const Graph& graph = network.graph();
  std::vector<std::vector<NodeId>> readers(graph.nodes.size());
  for (NodeId id = 0; id < graph.size(); ++id) {
    for (NodeId input : graph.node(id).inputs) {
      readers[static_cast<std::size_t>(input)].push_back(id);
    }
  }
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const auto* op = std::get_if<Conv2d>(&node.op);
    if (op == nullptr) continue;
    Weights weights{network.parameter(node.name + ".weight").var.value.to(Device{}).clone(),
                    Tensor::zeros({op->filters})};
    if (op->bias) weights.b = network.parameter(node.name + ".bias").var.value.to(Device{}).clone();

    NodeId place = id;  // where the convolution runs
    const std::vector<NodeId>& own_readers = readers[static_cast<std::size_t>(id)];
    if (own_readers.size() == 1 && graph.node(own_readers.front()).inputs.front() == id) {
      const Node& reader = graph.node(own_readers.front());
      if (const auto* norm = std::get_if<BatchNorm>(&reader.op)) {
        fold(network, reader.name, norm->eps, weights);
        place = own_readers.front();
        skipped_[static_cast<std::size_t>(id)] = true;
      }
    }
    const Device device = network.device();
    convolutions_.emplace(place, Convolution{id,
                                             {weights.w.to(device),
                                              weights.b.to(device),
                                              {op->stride, op->stride, op->pad, op->pad}}});
  }
  last_reader_.assign(graph.nodes.size(), -1);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (skipped_[static_cast<std::size_t>(id)]) continue;
    for (NodeId input : inputs_of(id)) last_reader_[static_cast<std::size_t>(input)] = id;
  }
}

// What a node reads, a folded batch norm what its convolution does.
std::vector<NodeId> FoldedNetwork::inputs_of(NodeId id) const {
  std::vector<NodeId> inputs = network_.graph().node(id).inputs;
  const auto found = convolutions_.find(id);
  if (found != convolutions_.end()) {
    inputs.front() = network_.graph().node(found->second.node).inputs.front();
  }
  return inputs;
}

Tensor FoldedNetwork::forward(const kernels::Exec& ex, const Tensor& images) {
  const Graph& graph = network_.graph();
  engine::Tape tape(ex, engine::Tape::Mode::no_grad);
  ForwardPass pass(network_, tape, Var::constant(images), inference);
  for (NodeId id = 1; id < graph.size(); ++id) {
    if (skipped_[static_cast<std::size_t>(id)]) continue;
    const auto found = convolutions_.find(id);
    const std::vector<NodeId> inputs = inputs_of(id);
    if (found == convolutions_.end()) {
      pass.run(id);
    } else {
      const auto* norm = std::get_if<BatchNorm>(&graph.node(id).op);
      pass.value(id) = Var::constant(found->second.conv.run(
          ex, pass.value(inputs[0]).value,
          inputs.size() == 2 ? &pass.value(inputs[1]).value : nullptr,
          norm && norm->relu ? kernels::Activation::relu : kernels::Activation::none));
    }
    for (NodeId input : inputs) {
      if (last_reader_[static_cast<std::size_t>(input)] == id) pass.release(input);
    }
  }
  return std::move(pass.value(graph.output()).value);
}

}  // namespace trifold::nn
