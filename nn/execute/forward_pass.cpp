#include "nn/execute/forward_pass.h"

#include <algorithm>
#include <optional>

#include "engine/random.h"
#include "nn/name_hash.h"
#include "nn/overloaded.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

namespace {

kernels::Activation activation(const BatchNorm& op) {
  return op.relu ? kernels::Activation::relu : kernels::Activation::none;
}

engine::ConvGeometry geometry(const auto& op) { return {op.stride, op.stride, op.pad, op.pad}; }

}  // namespace

ForwardPass::ForwardPass(const Network& network, const ExecutionPlan& plan, engine::Tape& tape,
                         const Var& x, const ForwardMode& mode, std::span<const NodeId> kept)
    : network_(network),
      plan_(plan),
      tape_(tape),
      mode_(mode),
      kept_(kept),
      values_(network.graph().nodes.size()),
      statistics_(network.graph().nodes.size()),
      norms_(network.graph().nodes.size()) {
  mode_.fused = mode.fused && mode.statistics == engine::Statistics::batch;
  in_place_concat_ = mode_.fused && kept.empty();
  value(0) = x;
  if (wants_statistics(0)) statistics(0).values = engine::batch_statistics(tape_.exec(), x.value);
}

bool ForwardPass::is_kept(NodeId id) const { return std::ranges::binary_search(kept_, id); }

bool ForwardPass::wants_statistics(NodeId id) const {
  return mode_.fused && plan_.fusion.statistics[static_cast<std::size_t>(id)];
}

void ForwardPass::release(NodeId id) {
  value(id) = {};
  statistics(id) = {};
  norm(id) = {};
}

void ForwardPass::run(NodeId id) {
  value(id) = compute(id);
  if (wants_statistics(id) && !statistics(id).values.defined()) {
    statistics(id).values = engine::batch_statistics(tape_.exec(), value(id).value);
  }
}

Var ForwardPass::compute(NodeId id) {
  const Node& node = network_.graph().node(id);
  const auto input = [&](std::size_t i) -> const Var& { return value(node.inputs[i]); };
  return std::visit(
      Overloaded{
          [&](const Input&) { return value(id); }, [&](const Conv2d& op) { return conv2d(id, op); },
          [&](const DepthwiseConv2d& op) {
            return engine::depthwise_conv2d(tape_, input(0), own(node, ".weight"),
                                            op.bias ? &own(node, ".bias") : nullptr, geometry(op));
          },
          [&](const GroupedConv2d& op) {
            return engine::grouped_conv2d(tape_, input(0), own(node, ".weight"),
                                          op.bias ? &own(node, ".bias") : nullptr, op.groups,
                                          geometry(op));
          },
          [&](const BatchNorm& op) { return batch_norm(id, op); },
          [&](const Relu&) { return engine::relu(tape_, input(0)); },
          [&](const Relu6&) { return engine::relu6(tape_, input(0)); },
          [&](const Sigmoid& op) { return engine::sigmoid(tape_, input(0), op.kind); },
          [&](const Dropout& op) { return dropout(id, op); },
          [&](const Add&) { return engine::add(tape_, input(0), input(1)); },
          [&](const ChannelScale&) { return engine::channel_scale(tape_, input(0), input(1)); },
          [&](const Concat&) { return concat(id); },
          [&](const ChannelGather& op) {
            return engine::channel_gather(tape_, input(0), plan_.gather_sources.at(id), op.stride);
          },
          [&](const Pool& op) {
            const engine::PoolGeometry g{op.window, op.window, op.stride,
                                         op.stride, op.pad,    op.pad};
            return op.kind == PoolKind::max ? engine::max_pool(tape_, input(0), g)
                                            : engine::avg_pool(tape_, input(0), g);
          },
          [&](const GlobalAvgPool&) { return engine::global_avg_pool(tape_, input(0)); },
          [&](const Flatten&) { return engine::flatten(tape_, input(0)); },
          [&](const Linear& op) {
            return engine::linear(tape_, input(0), own(node, ".weight"),
                                  op.bias ? &own(node, ".bias") : nullptr);
          }},
      node.op);
}

Var ForwardPass::conv2d(NodeId id, const Conv2d& op) {
  const Node& node = network_.graph().node(id);
  const NodeId source = node.inputs[0];
  const Var& w = own(node, ".weight");
  if (op.bias || !mode_.fused) {
    return engine::conv2d(tape_, value(source), w, op.bias ? &own(node, ".bias") : nullptr,
                          geometry(op));
  }
  const NormFusion& fusion = plan_.fusion;
  engine::LazyValue input{value(source), nullptr};
  if (fusion.first_reader[static_cast<std::size_t>(source)] == id) input.norm = norm(source);
  const NodeId behind = fusion.norm_behind[static_cast<std::size_t>(id)];
  std::optional<engine::BatchNormState> norm_behind;
  if (behind != -1) {
    const Node& of_norm = network_.graph().node(behind);
    norm_behind = state(of_norm, std::get<BatchNorm>(of_norm.op));
  }
  Var result = engine::norm_conv2d(tape_, input, w, geometry(op),
                                   wants_statistics(id) ? &statistics(id) : nullptr,
                                   norm_behind ? &*norm_behind : nullptr);
  if (behind == -1 || is_kept(id)) statistics(id).gradient = nullptr;
  return result;
}

Var ForwardPass::batch_norm(NodeId id, const BatchNorm& op) {
  const Node& node = network_.graph().node(id);
  const Var& x = value(node.inputs[0]);
  const Var* const residual = node.inputs.size() == 2 ? &value(node.inputs[1]) : nullptr;
  if (mode_.synchronised != nullptr) {
    return engine::synchronised_batch_norm(tape_, x, state(node, op), *mode_.synchronised, residual,
                                           activation(op));
  }
  if (!mode_.fused) {
    return engine::batch_norm(tape_, x, state(node, op), mode_.statistics, residual,
                              activation(op));
  }
  const NormFusion& fusion = plan_.fusion;
  const auto index = static_cast<std::size_t>(id);
  const bool is_deferred = fusion.part_of_convolution[index] && !is_kept(id);
  engine::LazyValue normed = engine::lazy_batch_norm(
      tape_, x, statistics(node.inputs[0]), state(node, op), residual, activation(op),
      is_deferred ? engine::Result::deferred : engine::Result::stored);
  if (fusion.first_reader[index] != -1 && !is_kept(id)) norm(id) = std::move(normed.norm);
  return std::move(normed.a);
}

Var ForwardPass::dropout(NodeId id, const Dropout& op) {
  const Node& node = network_.graph().node(id);
  const Var& x = value(node.inputs[0]);
  if (mode_.dropout == nullptr) return x;
  return engine::dropout(
      tape_, x, op.rate,
      {mode_.dropout->seed, engine::random_streams::dropout, hash_name(node.name)},
      mode_.dropout->step);
}

NodeId ForwardPass::in_place_successor(NodeId id) const {
  return in_place_concat_ ? plan_.fusion.in_place_successor[static_cast<std::size_t>(id)] : -1;
}

Var ForwardPass::concat(NodeId id) {
  const std::vector<NodeId>& inputs = network_.graph().node(id).inputs;
  std::vector<Var> parts, statistics_of_parts;
  for (NodeId input : inputs) {
    parts.push_back(value(input));
    statistics_of_parts.push_back(Var::constant(statistics(input).values));
  }
  if (wants_statistics(id))
    statistics(id).values = engine::concat(tape_, statistics_of_parts).value;

  const auto channels = [&](NodeId node) {
    return plan_.fusion.channels[static_cast<std::size_t>(node)];
  };
  const bool continues = in_place_successor(inputs[0]) == id;
  if (!continues && in_place_successor(id) == -1) return engine::concat(tape_, parts);
  NodeId last = id;
  while (in_place_successor(last) != -1) last = in_place_successor(last);
  const Var wide =
      continues ? parts[0] : engine::begin_in_place_concat(tape_, parts[0], channels(last));
  std::int64_t first = channels(inputs[0]);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    engine::extend_in_place_concat(tape_, wide, parts[i], first);
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
