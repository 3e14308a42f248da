#include "nn/network.h"

#include "kernels/runtime/error.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

bool is_trainable(Role role) { return role != Role::running_mean && role != Role::running_var; }

std::vector<ParameterSpec> parameter_specs(const Graph& graph) {
  const std::vector<std::int64_t> channels = infer_channels(graph);
  std::vector<ParameterSpec> specs;
  for (const Node& node : graph.nodes) {
    if (node.inputs.empty()) continue;
    const std::int64_t in = channels[static_cast<std::size_t>(node.inputs[0])];
    for (OpParameter& own : parameters(node.op, in)) {
      specs.push_back({node.name + own.suffix, own.role, std::move(own.shape)});
    }
  }
  return specs;
}

Network::Network(Graph graph, Device device) : graph_(std::move(graph)), device_(device) {
  validate(graph_);
  for (ParameterSpec& spec : parameter_specs(graph_)) {
    Tensor value = spec.role == Role::running_var ? Tensor::filled(spec.shape, 1.0f, device_)
                                                  : Tensor::zeros(spec.shape, device_);
    index_[spec.name] = parameters_.size();
    parameters_.push_back({std::move(spec.name), spec.role,
                           is_trainable(spec.role) ? Var::parameter(std::move(value))
                                                   : Var::constant(std::move(value))});
  }
}

Network Network::to(Device device) const {
  Network copy(graph_, device);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    copy.parameters_[i].var.value = parameters_[i].var.value.to(device);
  }
  return copy;
}

Parameter& Network::parameter(const std::string& name) {
  const auto found = index_.find(name);
  require<ShapeError>(found != index_.end(), "the network has no parameter '{}'", name);
  return parameters_[found->second];
}

const Parameter& Network::parameter(const std::string& name) const {
  const auto found = index_.find(name);
  require<ShapeError>(found != index_.end(), "the network has no parameter '{}'", name);
  return parameters_[found->second];
}

}  // namespace trifold::nn
