#include "pruning/latency/layer.h"

#include <fmt/format.h>

#include "nn/execute/folded_network.h"

namespace trifold::pruning {
namespace {

// A Concat that goes on in the place of its first input writes only what the others add.
std::int64_t copied_channels(const nn::Graph& graph, const nn::NormFusion& fusion, nn::NodeId id) {
  const std::vector<nn::NodeId>& inputs = graph.node(id).inputs;
  const auto channels = [&](nn::NodeId node) {
    return fusion.channels[static_cast<std::size_t>(node)];
  };
  const bool goes_on =
      inputs.size() > 1 && fusion.in_place_successor[static_cast<std::size_t>(inputs[0])] == id;
  return channels(id) - (goes_on ? channels(inputs[0]) : 0);
}

}  // namespace

std::string to_string(const Layer& l) {
  return fmt::format("{} {}x{}x{} to {}, window {} stride {} pad {}{}{}{}", l.op, l.h, l.w, l.in,
                     l.out, l.window, l.stride, l.pad,
                     l.groups > 1 ? fmt::format(", {} groups", l.groups) : "",
                     l.norm ? ", norm" : "", l.residual ? ", residual" : "");
}

std::vector<Layer> layers_of(const nn::Graph& graph, std::int64_t side) {
  const std::vector<nn::Extent> extents = nn::infer_extents(graph, side);
  const nn::NormFusion fusion = nn::plan_norm_fusion(graph);
  const nn::Folding folding = nn::plan_folding(graph, fusion);
  std::vector<Layer> layers;
  for (nn::NodeId id = 1; id < graph.size(); ++id) {
    if (folding.skipped[static_cast<std::size_t>(id)]) continue;
    if (std::holds_alternative<nn::Dropout>(graph.node(id).op)) continue;  // nothing in inference
    const auto folded = folding.convolutions.find(id);
    const bool is_conv = folded != folding.convolutions.end();
    const nn::Node& node = graph.node(is_conv ? folded->second.conv : id);
    const nn::Extent& read = extents[static_cast<std::size_t>(node.inputs.front())];
    Layer layer{.op = nn::op_name(node.op),
                .h = read.h,
                .w = read.w,
                .in = read.c,
                .out = extents[static_cast<std::size_t>(id)].c};
    const auto take_window = [&](const auto& op) {
      layer.window = op.window;
      layer.stride = op.stride;
      layer.pad = op.pad;
    };
    if (const auto* conv = std::get_if<nn::Conv2d>(&node.op)) {
      take_window(*conv);
      layer.norm = folded->second.norm_in_front != -1;
    } else if (const auto* depthwise = std::get_if<nn::DepthwiseConv2d>(&node.op)) {
      take_window(*depthwise);
    } else if (const auto* grouped = std::get_if<nn::GroupedConv2d>(&node.op)) {
      take_window(*grouped);
      layer.groups = grouped->groups;
    } else if (const auto* pool = std::get_if<nn::Pool>(&node.op)) {
      take_window(*pool);
    } else if (const auto* gather = std::get_if<nn::ChannelGather>(&node.op)) {
      layer.stride = gather->stride;
    } else if (std::holds_alternative<nn::Concat>(node.op)) {
      layer.in = layer.out = copied_channels(graph, fusion, id);
    }
    const nn::Node& place = graph.node(id);
    layer.residual = std::holds_alternative<nn::BatchNorm>(place.op) && place.inputs.size() == 2;
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace trifold::pruning
