#include "nn/execute/folded_network.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "nn/execute/forward_pass.h"
#include "nn/least_bytes.h"
#include "nn/overloaded.h"

namespace trifold::nn {

using engine::Tensor;
using engine::Var;

namespace {

/// y = (x - mean) scale + beta: the batch norm of a node by its running statistics, on the CPU.
struct RunningNorm {
  Tensor mean, scale, beta;

  RunningNorm(const Network& network, const Node& node) {
    const auto values = [&](const char* suffix) {
      return network.parameter(node.name + suffix).var.value.to(Device{});
    };
    const Tensor gamma = values(".weight"), variance = values(".running_var");
    mean = values(".running_mean");
    beta = values(".bias");
    scale = Tensor::empty(gamma.shape());
    const double eps = std::get<BatchNorm>(node.op).eps;
    for (std::int64_t c = 0; c < gamma.size(); ++c) {
      scale.data()[c] =
          static_cast<float>(gamma.data()[c] / std::sqrt(double{variance.data()[c]} + eps));
    }
  }
};

/// Takes the norm into weights w, whose filters (k) are their last axis, and bias b (k) of the
/// convolution in front of it.
void fold(const RunningNorm& norm, Tensor& w, Tensor& b) {
  const std::int64_t filters = b.size();
  for (std::int64_t f = 0; f < filters; ++f) {
    const double scale = norm.scale.data()[f];
    for (std::int64_t i = f; i < w.size(); i += filters) {
      w.data()[i] = static_cast<float>(w.data()[i] * scale);
    }
    b.data()[f] = static_cast<float>(norm.beta.data()[f] +
                                     (double{b.data()[f]} - norm.mean.data()[f]) * scale);
  }
}

/// Images that a CPU takes through all layers at once: as many as leave what the widest layer reads and
/// writes in a level 3 cache, but enough to outweigh the weights and to be shared by threads.
std::int64_t images_at_once(const Graph& graph, std::int64_t side) {
  constexpr double cache_bytes = 16 << 20;
  constexpr std::int64_t least = 8;
  return std::max(least, static_cast<std::int64_t>(cache_bytes / least_bytes(graph, side)));
}

kernels::Activation activation(const Node& node) {
  const auto* norm = std::get_if<BatchNorm>(&node.op);
  return norm && norm->relu ? kernels::Activation::relu : kernels::Activation::none;
}

bool is_pointwise(const Graph& graph, const FoldedConvolution& folded) {
  const auto* conv = std::get_if<Conv2d>(&graph.node(folded.conv).op);
  return conv != nullptr && conv->window == 1 && conv->stride == 1 && conv->pad == 0 &&
         folded.norm_in_front == -1;
}

/// The convolution that alone writes, and whose reader `by` alone reads, what lies at `place`: null
/// where there is none.
const FoldedConvolution* read_once(const Graph& graph, const Folding& folding,
                                   const std::vector<std::vector<NodeId>>& readers, NodeId place,
                                   NodeId by) {
  const auto found = folding.convolutions.find(place);
  const bool alone = found != folding.convolutions.end() && graph.node(place).inputs.size() == 1 &&
                     readers[static_cast<std::size_t>(place)] == std::vector{by};
  return alone ? &found->second : nullptr;
}

void find_inverted_residuals(const Graph& graph, const std::vector<std::vector<NodeId>>& readers,
                             Folding& folding) {
  for (const auto& [place, project] : folding.convolutions) {
    if (!is_pointwise(graph, project)) continue;
    const FoldedConvolution* depthwise =
        read_once(graph, folding, readers, project.source, project.conv);
    if (depthwise == nullptr || depthwise->norm_in_front != -1 ||
        !std::holds_alternative<DepthwiseConv2d>(graph.node(depthwise->conv).op)) {
      continue;
    }
    const FoldedConvolution* expand =
        read_once(graph, folding, readers, depthwise->source, depthwise->conv);
    if (expand != nullptr && is_pointwise(graph, *expand)) {
      folding.inverted_residuals.emplace(place,
                                         FoldedInvertedResidual{depthwise->source, project.source});
    }
  }
}

}  // namespace

Folding plan_folding(const Graph& graph, const NormFusion& fusion) {
  const std::vector<std::vector<NodeId>> readers = graph.readers();
  Folding folding{.convolutions = {},
                  .skipped = std::vector<bool>(graph.nodes.size(), false),
                  .inverted_residuals = {}};
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!is_convolution(graph.node(id).op)) continue;
    // A batch norm behind goes into the weights, and the convolution to its place.
    NodeId place = id;
    const std::vector<NodeId>& own_readers = readers[static_cast<std::size_t>(id)];
    if (own_readers.size() == 1 && graph.node(own_readers.front()).inputs.front() == id &&
        std::holds_alternative<BatchNorm>(graph.node(own_readers.front()).op)) {
      place = own_readers.front();
      folding.skipped[static_cast<std::size_t>(id)] = true;
    }
    // One in front, if it is still there, is worked as the convolution reads.
    FoldedConvolution folded{id, graph.node(id).inputs.front(), -1};
    if (fusion.part_of_convolution[static_cast<std::size_t>(folded.source)] &&
        !folding.convolutions.contains(folded.source)) {
      folded.norm_in_front = folded.source;
      folding.skipped[static_cast<std::size_t>(folded.source)] = true;
      folded.source = graph.node(folded.source).inputs.front();
    }
    folding.convolutions.emplace(place, folded);
  }
  find_inverted_residuals(graph, readers, folding);
  return folding;
}

FoldedNetwork::FoldedNetwork(const Network& network)
    : network_(network),
      plan_(network.graph(), network.device()),
      folding_(plan_folding(network.graph(), plan_.fusion)) {
  const Graph& graph = network.graph();
  const Device device = network.device();
  for (const auto& [place, folded] : folding_.convolutions) {
    const Node& node = graph.node(folded.conv);
    const auto copy = [&](const std::string& name) {
      return network.parameter(name).var.value.to(Device{}).clone();
    };
    Tensor w = copy(node.name + ".weight");
    Tensor b = network.has_parameter(node.name + ".bias") ? copy(node.name + ".bias")
                                                          : Tensor::zeros({w.shape().channels()});
    if (place != folded.conv) fold(RunningNorm(network, graph.node(place)), w, b);
    const auto keep = [&, at = place](const auto& op, std::int64_t groups) {
      convolutions_.emplace(at, Unpacked{Var::constant(w.to(device)),
                                         Var::constant(b.to(device)),
                                         {op.stride, op.stride, op.pad, op.pad},
                                         groups});
    };
    if (const auto* depthwise = std::get_if<DepthwiseConv2d>(&node.op)) {
      keep(*depthwise, 0);
      continue;
    }
    if (const auto* grouped = std::get_if<GroupedConv2d>(&node.op)) {
      keep(*grouped, grouped->groups);
      continue;
    }
    const auto& op = std::get<Conv2d>(node.op);
    std::optional<engine::ConstantNorm> norm;
    if (folded.norm_in_front != -1) {
      const Node& in_front = graph.node(folded.norm_in_front);
      const RunningNorm values(network, in_front);
      norm = {values.mean.to(device), values.scale.to(device), values.beta.to(device),
              activation(in_front)};
    }
    convolutions_.emplace(
        place, engine::PackedConv2d(w.to(device), b.to(device),
                                    {op.stride, op.stride, op.pad, op.pad}, std::move(norm)));
  }
  join_inverted_residuals();
  last_reader_.assign(graph.nodes.size(), -1);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (worked_elsewhere_[static_cast<std::size_t>(id)]) continue;
    for (NodeId input : inputs_of(id)) last_reader_[static_cast<std::size_t>(input)] = id;
  }
}

void FoldedNetwork::join_inverted_residuals() {
  const Graph& graph = network_.graph();
  worked_elsewhere_ = folding_.skipped;
  const auto take = [&]<class Kind>(NodeId place) {
    return std::get<Kind>(std::move(convolutions_.extract(place).mapped()));
  };
  for (const auto& [place, block] : folding_.inverted_residuals) {
    auto expand = take.template operator()<engine::PackedConv2d>(block.expand);
    auto project = take.template operator()<engine::PackedConv2d>(place);
    const auto depthwise = take.template operator()<Unpacked>(block.depthwise);
    convolutions_.emplace(place, engine::PackedInvertedResidual(
                                     std::move(expand), activation(graph.node(block.expand)),
                                     {depthwise.w.value, depthwise.b.value, depthwise.geometry,
                                      activation(graph.node(block.depthwise))},
                                     std::move(project)));
    for (const NodeId inside : {block.expand, block.depthwise}) {
      worked_elsewhere_[static_cast<std::size_t>(inside)] = true;
    }
  }
}

// What a node reads, with what has become part of it.
std::vector<NodeId> FoldedNetwork::inputs_of(NodeId id) const {
  std::vector<NodeId> inputs = network_.graph().node(id).inputs;
  const auto found = folding_.convolutions.find(id);
  if (found != folding_.convolutions.end()) {
    inputs.front() = found->second.source;
  }
  const auto block = folding_.inverted_residuals.find(id);
  if (block != folding_.inverted_residuals.end()) {
    inputs.front() = folding_.convolutions.at(block->second.expand).source;
  }
  return inputs;
}

Var FoldedNetwork::Unpacked::run(engine::Tape& tape, const Var& x, const Var* residual,
                                 kernels::Activation act) const {
  constexpr auto none = kernels::Activation::none;
  const bool depthwise = groups == 0;
  // A depthwise convolution has its ReLU in the registers where nothing comes in between.
  const kernels::Activation at_once = depthwise && residual == nullptr ? act : none;
  Var y = depthwise ? engine::depthwise_conv2d(tape, x, w, &b, geometry, at_once)
                    : engine::grouped_conv2d(tape, x, w, &b, groups, geometry);
  if (residual != nullptr) y = engine::add(tape, y, *residual);
  if (act == kernels::Activation::relu && at_once == none) y = engine::relu(tape, y);
  return y;
}

Tensor FoldedNetwork::forward(const kernels::Exec& ex, const Tensor& images) {
  const engine::Shape& shape = images.shape();
  const std::int64_t count = shape[0];
  if (ex.device.kind != DeviceKind::cpu) return forward_at_once(ex, images);
  const std::int64_t most = images_at_once(network_.graph(), shape[1]);
  if (count <= most) return forward_at_once(ex, images);
  const std::int64_t parts = (count + most - 1) / most, floats = images.size() / count;
  Tensor logits;
  float* to = nullptr;
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t first = count * part / parts, own = count * (part + 1) / parts - first;
    Tensor some = Tensor::empty({own, shape[1], shape[2], shape[3]});
    std::ranges::copy(
        images.values().subspan(static_cast<std::size_t>(first * floats), some.values().size()),
        some.data());
    const Tensor answers = forward_at_once(ex, some);
    if (!logits.defined()) {
      logits = Tensor::empty({count, answers.shape()[1]});
      to = logits.data();
    }
    to = std::ranges::copy(answers.values(), to).out;
  }
  return logits;
}

Tensor FoldedNetwork::forward_at_once(const kernels::Exec& ex, const Tensor& images) {
  const Graph& graph = network_.graph();
  engine::Tape tape(ex, engine::Tape::Mode::no_grad);
  ForwardPass pass(network_, plan_, tape, Var::constant(images), inference);
  pass.concat_in_place();  // what reads them before their end are convolutions with norms
  for (NodeId id = 1; id < graph.size(); ++id) {
    if (worked_elsewhere_[static_cast<std::size_t>(id)]) continue;
    const std::vector<NodeId> inputs = inputs_of(id);
    const auto found = convolutions_.find(id);
    if (found == convolutions_.end()) {
      pass.run(id);
    } else {
      const Var& x = pass.value(inputs[0]);
      const Var* const residual = inputs.size() == 2 ? &pass.value(inputs[1]) : nullptr;
      const kernels::Activation act = activation(graph.node(id));
      pass.value(id) = std::visit(
          Overloaded{[&](Unpacked& unpacked) { return unpacked.run(tape, x, residual, act); },
                     [&](auto& packed) {
                       return Var::constant(
                           packed.run(ex, x.value, residual ? &residual->value : nullptr, act));
                     }},
          found->second);
    }
    for (NodeId input : inputs) {
      if (last_reader_[static_cast<std::size_t>(input)] == id) pass.release(input);
    }
  }
  return std::move(pass.value(graph.output()).value);
}

}  // namespace trifold::nn
