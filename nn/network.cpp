#include "nn/network.h"

#include "kernels/runtime/error.h"

namespace trifold::nn {

using engine::Shape;
using engine::Tensor;
using engine::Var;

bool is_trainable(Role role) { return role != Role::running_mean && role != Role::running_var; }

std::vector<ParameterSpec> parameter_specs(const Graph& graph) {
  const std::vector<std::int64_t> channels = infer_channels(graph);
  std::vector<ParameterSpec> specs;
  for (const Node& node : graph.nodes) {
    if (node.inputs.empty()) continue;
    const std::int64_t in = channels[static_cast<std::size_t>(node.inputs[0])];
    const auto add = [&](const char* suffix, Role role, Shape shape) {
      specs.push_back({node.name + suffix, role, std::move(shape)});
    };
    if (const auto* conv = std::get_if<Conv2d>(&node.op)) {
      add(".weight", Role::conv_weight, {conv->window, conv->window, in, conv->filters});
      if (conv->bias) add(".bias", Role::bias, {conv->filters});
    } else if (std::holds_alternative<BatchNorm>(node.op)) {
      add(".weight", Role::bn_gamma, {in});
      add(".bias", Role::bn_beta, {in});
      add(".running_mean", Role::running_mean, {in});
      add(".running_var", Role::running_var, {in});
    } else if (const auto* linear = std::get_if<Linear>(&node.op)) {
      add(".weight", Role::linear_weight, {in, linear->outputs});
      if (linear->bias) add(".bias", Role::bias, {linear->outputs});
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
