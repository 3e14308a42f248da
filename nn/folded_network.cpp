#include "nn/folded_network.h"

#include <cmath>

#include "nn/forward_pass.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

FoldedNetwork::FoldedNetwork(const Network& network)
    : network_(network), skipped_(network.graph().nodes.size(), false) {
  const Graph& graph = network.graph();
  std::vector<std::int64_t> readers(graph.nodes.size(), 0);
  for (const Node& node : graph.nodes) {
    for (NodeId input : node.inputs) ++readers[static_cast<std::size_t>(input)];
  }
  const auto values = [&](const std::string& name) {
    return network.parameter(name).var.value.to(Device{});
  };
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    const auto* norm = std::get_if<BatchNorm>(&node.op);
    if (norm == nullptr) continue;
    const NodeId source = node.inputs.front();
    const Node& conv = graph.node(source);
    if (!std::holds_alternative<Conv2d>(conv.op) ||
        readers[static_cast<std::size_t>(source)] != 1) {
      continue;
    }
    const Tensor gamma = values(node.name + ".weight"), beta = values(node.name + ".bias");
    const Tensor mean = values(node.name + ".running_mean");
    const Tensor variance = values(node.name + ".running_var");
    Tensor w = values(conv.name + ".weight").clone(), b = Tensor::zeros(beta.shape());
    if (std::get<Conv2d>(conv.op).bias) b = values(conv.name + ".bias").clone();
    const std::int64_t filters = beta.size();
    for (std::int64_t f = 0; f < filters; ++f) {
      const double scale = gamma.data()[f] / std::sqrt(double{variance.data()[f]} + norm->eps);
      for (std::int64_t i = f; i < w.size(); i += filters) {
        w.data()[i] = static_cast<float>(w.data()[i] * scale);
      }
      b.data()[f] =
          static_cast<float>(beta.data()[f] + (double{b.data()[f]} - mean.data()[f]) * scale);
    }
    convolutions_[id] = {source, w.to(network.device()), b.to(network.device())};
    skipped_[static_cast<std::size_t>(source)] = true;
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

Tensor FoldedNetwork::forward(const kernels::Exec& ex, const Tensor& images) const {
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
      const Conv2d& conv = std::get<Conv2d>(graph.node(found->second.node).op);
      const bool relu = std::get<BatchNorm>(graph.node(id).op).relu;
      pass.value(id) = Var::constant(
          engine::conv2d_inference(ex, pass.value(inputs[0]).value, found->second.w,
                                   found->second.b, {conv.stride, conv.stride, conv.pad, conv.pad},
                                   inputs.size() == 2 ? &pass.value(inputs[1]).value : nullptr,
                                   relu ? kernels::Activation::relu : kernels::Activation::none));
    }
    for (NodeId input : inputs) {
      if (last_reader_[static_cast<std::size_t>(input)] == id) pass.release(input);
    }
  }
  return std::move(pass.value(graph.output()).value);
}

}  // namespace trifold::nn
