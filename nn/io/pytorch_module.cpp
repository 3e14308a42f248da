#include "nn/io/pytorch_module.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <concepts>

#include "kernels/runtime/error.h"
#include "nn/overloaded.h"

namespace trifold::nn {
namespace {

// Names go into a Python file between quotes, where a stranger's must not become code.
void require_plain(const std::string& name) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
  });
  require<ConfigError>(plain, "'{}' is a name that can't stand in a Python module", name);
}

template <class T, class... Ops>
concept OneOf = (std::same_as<T, Ops> || ...);

// The layer that owns a node's parameters; empty where it has none.
std::string layer(const Node& node, std::int64_t in) {
  return std::visit(
      Overloaded{[&](const Conv2d& op) {
                   return fmt::format("nn.Conv2d({}, {}, {}, stride={}, padding={}, bias={})", in,
                                      op.filters, op.window, op.stride, op.pad,
                                      op.bias ? "True" : "False");
                 },
                 [&](const DepthwiseConv2d& op) {
                   return fmt::format(
                       "nn.Conv2d({0}, {0}, {1}, stride={2}, padding={3}, groups={0}, "
                       "bias={4})",
                       in, op.window, op.stride, op.pad, op.bias ? "True" : "False");
                 },
                 [&](const GroupedConv2d& op) {
                   return fmt::format(
                       "nn.Conv2d({}, {}, {}, stride={}, padding={}, groups={}, bias={})", in,
                       op.filters, op.window, op.stride, op.pad, op.groups,
                       op.bias ? "True" : "False");
                 },
                 [&](const BatchNorm& op) {
                   return fmt::format("nn.BatchNorm2d({}, eps={})", in, op.eps);
                 },
                 [&](const Linear& op) {
                   return fmt::format("nn.Linear({}, {}, bias={})", in, op.outputs,
                                      op.bias ? "True" : "False");
                 },
                 [](const OneOf<Input, Relu, Relu6, Sigmoid, Dropout, Add, ChannelScale, Concat,
                                ChannelGather, Pool, GlobalAvgPool, Flatten> auto&) {
                   return std::string();
                 }},
      node.op);
}

const char* sigmoid_function(kernels::SigmoidKind kind) {
  switch (kind) {
    case kernels::SigmoidKind::silu:
      return "F.silu";
    case kernels::SigmoidKind::hard_sigmoid:
      return "F.hardsigmoid";
    case kernels::SigmoidKind::hard_swish:
      return "F.hardswish";
    case kernels::SigmoidKind::sigmoid:
      break;
  }
  return "torch.sigmoid";
}

// What a node computes of the variables that hold its inputs.
std::string expression(const Node& node, const std::vector<std::string>& in) {
  const std::string call = fmt::format("self.get_submodule(\"{}\")({})", node.name, in.front());
  return std::visit(
      Overloaded{
          [&](const Input&) { return in.front(); }, [&](const Convolves auto&) { return call; },
          [&](const Linear&) { return call; },
          [&](const BatchNorm& op) {
            const std::string sum = in.size() > 1 ? fmt::format("{} + {}", call, in[1]) : call;
            return op.relu ? fmt::format("F.relu({})", sum) : sum;
          },
          [&](const Relu&) { return fmt::format("F.relu({})", in[0]); },
          [&](const Relu6&) { return fmt::format("F.relu6({})", in[0]); },
          [&](const Sigmoid& op) {
            return fmt::format("{}({})", sigmoid_function(op.kind), in[0]);
          },
          [&](const Dropout& op) {
            return fmt::format("F.dropout({}, {}, self.training)", in[0], op.rate);
          },
          [&](const Add&) { return fmt::format("{} + {}", in[0], in[1]); },
          [&](const ChannelScale&) { return fmt::format("scale({}, {})", in[0], in[1]); },
          [&](const Concat&) { return fmt::format("torch.cat([{}], dim=1)", fmt::join(in, ", ")); },
          [&](const ChannelGather& op) {
            return fmt::format("gather({}, [{}], {})", in[0], fmt::join(op.source, ", "),
                               op.stride);
          },
          [&](const Pool& op) {
            return fmt::format("F.{}({}, {}, stride={}, padding={})",
                               op.kind == PoolKind::max ? "max_pool2d" : "avg_pool2d", in[0],
                               op.window, op.stride, op.pad);
          },
          [&](const GlobalAvgPool&) { return fmt::format("{}.mean(dim=(2, 3))", in[0]); },
          [&](const Flatten&) { return fmt::format("torch.flatten({}, 1)", in[0]); }},
      node.op);
}

constexpr const char* head = R"(import torch
import torch.nn.functional as F
from torch import nn


def gather(x, source, stride):
    """Channels of x by number, of every stride-th pixel; -1 is a channel of zeros."""
    x = x[:, :, ::stride, ::stride]
    zeros = torch.zeros_like(x[:, :1])
    index = [x.shape[1] if c < 0 else c for c in source]
    return torch.cat([x, zeros], dim=1)[:, index]


def scale(x, factor):
    """Each channel of an image of x by its factor."""
    return x * factor.reshape(factor.shape[:2] + (1,) * (x.dim() - 2))


def put(root, name, layer):
    """Registers a layer under a name with dots."""
    *path, last = name.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root._modules[part]
    root.add_module(last, layer)
)";

constexpr const char* tail = R"(

def load(path):
    """The network with the values of a model file (safetensors), for inference."""
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(path), strict=False)
    return network.eval()
)";

}  // namespace

std::string to_pytorch(const Model& model) {
  const Graph& graph = model.network.graph();
  const std::vector<std::int64_t> channels = infer_channels(graph);
  require_plain(model.info.arch);
  std::string layers, steps;
  std::vector<std::string> values;
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    require_plain(node.name);
    std::vector<std::string> in;
    for (NodeId from : node.inputs) in.push_back(values[static_cast<std::size_t>(from)]);
    if (in.empty()) in.push_back("images");
    const std::int64_t read =
        node.inputs.empty() ? 0 : channels[static_cast<std::size_t>(node.inputs.front())];
    if (const std::string made = layer(node, read); !made.empty()) {
      layers += fmt::format("        put(self, \"{}\", {})\n", node.name, made);
    }
    values.push_back(fmt::format("x{}", id));
    steps += fmt::format("        {} = {}\n", values.back(), expression(node, in));
  }
  const ModelInfo& info = model.info;
  return fmt::format(
      "\"\"\"{0} for images of {1} x {1} pixels, normalised by (pixel / 255 - mean) / std with\n"
      "mean = [{2}] and std = [{3}].\n\"\"\"\n{4}\n\nclass Network(nn.Module):\n"
      "    def __init__(self):\n        super().__init__()\n{5}\n"
      "    def forward(self, images):\n{6}        return {7}\n{8}",
      info.arch.empty() ? "A network" : info.arch, info.side,
      fmt::join(info.normalisation.mean, ", "), fmt::join(info.normalisation.std, ", "), head,
      layers, steps, values.back(), tail);
}

}  // namespace trifold::nn
