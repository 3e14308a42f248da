#include "nn/network.h"

#include <algorithm>

#include "kernels/error.h"
#include "nn/overloaded.h"

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
  last_reader_.assign(graph_.nodes.size(), -1);
  for (NodeId id = 0; id < graph_.size(); ++id) {
    const Node& node = graph_.node(id);
    for (NodeId input : node.inputs) last_reader_[static_cast<std::size_t>(input)] = id;
    if (const auto* gather = std::get_if<ChannelGather>(&node.op)) {
      gather_sources_[id] =
          Tensor::from({std::ssize(gather->source)}, std::span(gather->source), device_);
    }
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

Outputs Network::forward(engine::Tape& tape, const Var& x, const ForwardMode& mode,
                         std::span<const NodeId> taps) const {
  require<ShapeError>(x.shape().rank() == 4 && x.shape().channels() == graph_.input_channels(),
                      "a network of {} input channels was given {}", graph_.input_channels(),
                      engine::to_string(x.shape()));
  Outputs outputs;
  std::vector<Var> values(graph_.nodes.size());
  values[0] = x;
  for (NodeId id = 0; id < graph_.size(); ++id) {
    if (id > 0) values[static_cast<std::size_t>(id)] = run(tape, id, values, mode);
    if (std::ranges::binary_search(taps, id)) {
      outputs.taps.push_back(values[static_cast<std::size_t>(id)]);
    }
    for (NodeId input : graph_.node(id).inputs) {
      if (last_reader_[static_cast<std::size_t>(input)] == id) {
        values[static_cast<std::size_t>(input)] = {};
      }
    }
  }
  outputs.logits = std::move(values.back());
  return outputs;
}

Var Network::run(engine::Tape& tape, NodeId id, const std::vector<Var>& values,
                 const ForwardMode& mode) const {
  const Node& node = graph_.node(id);
  const auto input = [&](std::size_t i) -> const Var& {
    return values[static_cast<std::size_t>(node.inputs[i])];
  };
  const auto own = [&](const char* suffix) -> const Var& {
    return parameter(node.name + suffix).var;
  };

  return std::visit(
      Overloaded{[&](const Input&) { return input(0); },
                 [&](const Conv2d& op) {
                   return engine::conv2d(tape, input(0), own(".weight"),
                                         op.bias ? &own(".bias") : nullptr,
                                         {op.stride, op.stride, op.pad, op.pad});
                 },
                 [&](const BatchNorm& op) {
                   const engine::BatchNormState state{
                       &own(".weight"),           &own(".bias"), own(".running_mean").value,
                       own(".running_var").value, op.eps,        mode.momentum};
                   return engine::batch_norm(
                       tape, input(0), state, mode.statistics,
                       node.inputs.size() == 2 ? &input(1) : nullptr,
                       op.relu ? kernels::Activation::relu : kernels::Activation::none);
                 },
                 [&](const Relu&) { return engine::relu(tape, input(0)); },
                 [&](const Add&) { return engine::add(tape, input(0), input(1)); },
                 [&](const Concat&) {
                   std::vector<Var> inputs;
                   for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(input(i));
                   return engine::concat(tape, inputs);
                 },
                 [&](const ChannelGather& op) {
                   return engine::channel_gather(tape, input(0), gather_sources_.at(id), op.stride);
                 },
                 [&](const Pool& op) {
                   const engine::PoolGeometry g{op.window, op.window, op.stride,
                                                op.stride, op.pad,    op.pad};
                   return op.kind == PoolKind::max ? engine::max_pool(tape, input(0), g)
                                                   : engine::avg_pool(tape, input(0), g);
                 },
                 [&](const GlobalAvgPool&) { return engine::global_avg_pool(tape, input(0)); },
                 [&](const Linear& op) {
                   return engine::linear(tape, input(0), own(".weight"),
                                         op.bias ? &own(".bias") : nullptr);
                 }},
      node.op);
}

}  // namespace trifold::nn
