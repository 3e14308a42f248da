#include "nn/forward_pass.h"

#include <algorithm>

#include "nn/overloaded.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

namespace {

kernels::Activation activation(const BatchNorm& op) {
  return op.relu ? kernels::Activation::relu : kernels::Activation::none;
}

engine::ConvGeometry geometry(const Conv2d& op) { return {op.stride, op.stride, op.pad, op.pad}; }

}  // namespace

ForwardPass::ForwardPass(const Network& network, engine::Tape& tape, const Var& x,
                         const ForwardMode& mode, std::span<const NodeId> kept)
    : network_(network),
      tape_(tape),
      mode_(mode),
      kept_(kept),
      values_(network.graph().nodes.size()),
      moments_(network.graph().nodes.size()) {
  mode_.fused = mode.fused && mode.statistics == engine::Statistics::batch;
  value(0) = x;
  if (wants_moments(0)) moments(0) = engine::batch_moments(tape_.exec(), x.value);
}

bool ForwardPass::wants_moments(NodeId id) const {
  return mode_.fused && network_.norm_fusion().moments[static_cast<std::size_t>(id)];
}

bool ForwardPass::is_part_of_convolution(NodeId id) const {
  return mode_.fused && network_.norm_fusion().part_of_convolution[static_cast<std::size_t>(id)] &&
         !std::ranges::binary_search(kept_, id);
}

void ForwardPass::release(NodeId id) {
  value(id) = {};
  moments(id) = {};
}

void ForwardPass::run(NodeId id) {
  const Node& node = network_.graph().node(id);
  if (is_part_of_convolution(id)) {
    value(id) = value(node.inputs[0]);
    moments(id) = moments(node.inputs[0]);
    return;
  }
  value(id) = compute(id);
  if (wants_moments(id) && !moments(id).defined()) {
    moments(id) = engine::batch_moments(tape_.exec(), value(id).value);
  }
}

Var ForwardPass::compute(NodeId id) {
  const Node& node = network_.graph().node(id);
  const auto input = [&](std::size_t i) -> const Var& { return value(node.inputs[i]); };
  Tensor* const moments_of_result = wants_moments(id) ? &moments(id) : nullptr;
  return std::visit(
      Overloaded{[&](const Input&) { return value(id); },
                 [&](const Conv2d& op) { return conv2d(node, op, moments_of_result); },
                 [&](const BatchNorm& op) { return batch_norm(node, op); },
                 [&](const Relu&) { return engine::relu(tape_, input(0)); },
                 [&](const Add&) { return engine::add(tape_, input(0), input(1)); },
                 [&](const Concat&) { return concat(id, moments_of_result); },
                 [&](const ChannelGather& op) {
                   return engine::channel_gather(tape_, input(0), network_.gather_source(id),
                                                 op.stride);
                 },
                 [&](const Pool& op) {
                   const engine::PoolGeometry g{op.window, op.window, op.stride,
                                                op.stride, op.pad,    op.pad};
                   return op.kind == PoolKind::max ? engine::max_pool(tape_, input(0), g)
                                                   : engine::avg_pool(tape_, input(0), g);
                 },
                 [&](const GlobalAvgPool&) { return engine::global_avg_pool(tape_, input(0)); },
                 [&](const Linear& op) {
                   return engine::linear(tape_, input(0), own(node, ".weight"),
                                         op.bias ? &own(node, ".bias") : nullptr);
                 }},
      node.op);
}

Var ForwardPass::conv2d(const Node& node, const Conv2d& op, Tensor* moments_of_result) {
  const NodeId source = node.inputs[0];
  const Var& w = own(node, ".weight");
  if (is_part_of_convolution(source)) {
    const Node& norm = network_.graph().node(source);
    const auto& norm_op = std::get<BatchNorm>(norm.op);
    return engine::norm_conv2d(tape_, value(source), moments(source), state(norm, norm_op),
                               activation(norm_op), w, geometry(op), moments_of_result);
  }
  if (op.bias) {
    return engine::conv2d(tape_, value(source), w, &own(node, ".bias"), geometry(op));
  }
  return engine::conv2d(tape_, value(source), w, nullptr, geometry(op), moments_of_result);
}

Var ForwardPass::batch_norm(const Node& node, const BatchNorm& op) {
  const Tensor& given = moments(node.inputs[0]);
  return engine::batch_norm(tape_, value(node.inputs[0]), state(node, op), mode_.statistics,
                            node.inputs.size() == 2 ? &value(node.inputs[1]) : nullptr,
                            activation(op), given.defined() ? &given : nullptr);
}

NodeId ForwardPass::grows_into(NodeId id) const {
  const bool possible = mode_.fused && kept_.empty();
  return possible ? network_.norm_fusion().grows_into[static_cast<std::size_t>(id)] : -1;
}

Var ForwardPass::concat(NodeId id, Tensor* moments_of_result) {
  const std::vector<NodeId>& inputs = network_.graph().node(id).inputs;
  std::vector<Var> parts, statistics;
  for (NodeId input : inputs) {
    parts.push_back(value(input));
    statistics.push_back(Var::constant(moments(input)));
  }
  if (moments_of_result != nullptr) *moments_of_result = engine::concat(tape_, statistics).value;

  const auto channels = [&](NodeId node) {
    return network_.norm_fusion().channels[static_cast<std::size_t>(node)];
  };
  const bool continues = grows_into(inputs[0]) == id;
  if (!continues && grows_into(id) == -1) return engine::concat(tape_, parts);
  NodeId last = id;
  while (grows_into(last) != -1) last = grows_into(last);
  const Var wide = continues ? parts[0] : engine::widen(tape_, parts[0], channels(last));
  std::int64_t first = channels(inputs[0]);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    engine::append(tape_, wide, parts[i], first);
    first += channels(inputs[i]);
  }
  return wide;
}

const Var& ForwardPass::own(const Node& node, const char* suffix) const {
  return network_.parameter(node.name + suffix).var;
}

engine::BatchNormState ForwardPass::state(const Node& node, const BatchNorm& op) const {
  return {&own(node, ".weight"),
          &own(node, ".bias"),
          own(node, ".running_mean").value,
          own(node, ".running_var").value,
          op.eps,
          mode_.momentum};
}

}  // namespace trifold::nn
