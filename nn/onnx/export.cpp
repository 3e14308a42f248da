#include "nn/onnx/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/resize.h"
#include "kernels/runtime/error.h"
#include "nn/execute/folded_network.h"
#include "nn/io/weight_layout.h"
#include "nn/onnx/onnx_model.h"
#include "nn/overloaded.h"

namespace trifold::nn {
namespace {

using Values = std::vector<float>;

// Where batch norms go whose convolution nothing else reads.
std::vector<NodeId> convolutions_to_fold(const Graph& graph, bool fold) {
  std::vector<NodeId> conv_of(static_cast<std::size_t>(graph.size()), -1);
  const auto readers = graph.readers();
  for (NodeId id = 0; fold && id < graph.size(); ++id) {
    if (!std::holds_alternative<BatchNorm>(graph.node(id).op)) continue;
    const NodeId source = graph.node(id).inputs.front();
    const Op& op = graph.node(source).op;
    if (!is_convolution(op)) continue;
    if (readers[static_cast<std::size_t>(source)].size() == 1) {
      conv_of[static_cast<std::size_t>(id)] = source;
    }
  }
  return conv_of;
}

// What a batch norm multiplies and adds in inference.
struct Affine {
  Values scale, shift;
};

class Exporter {
 public:
  Exporter(const Model& model, const OnnxOptions& options)
      : model_(model),
        network_(model.network.to({})),
        graph_(network_.graph()),
        options_(options),
        folded_(convolutions_to_fold(graph_, options.fold)) {}

  std::string run() {
    for (NodeId id = 0; id < graph_.size(); ++id) values_.push_back(lower(id));
    const std::int64_t classes = infer_channels(graph_).back();
    onnx_.add_node("Identity", "logits", {values_.back()});
    onnx_.add_output("logits", OnnxType::float32, {-1, classes});
    add_metadata();
    return onnx_.bytes(model_.info.arch.empty() ? "network" : model_.info.arch);
  }

 private:
  const Node& node(NodeId id) const { return graph_.node(id); }
  const std::string& value_of(NodeId id) const { return values_[static_cast<std::size_t>(id)]; }

  Values parameter(const std::string& name) const {
    const auto values = network_.parameter(name).var.value.values();
    return {values.begin(), values.end()};
  }
  std::string stored(const std::string& name) {
    const Parameter& p = network_.parameter(name);
    const engine::Tensor value = to_file_layout(p.role, p.var.value);
    return onnx_.add_floats(name, value.shape(), value.values());
  }

  Affine affine(const Node& norm) const {
    const float eps = std::get<BatchNorm>(norm.op).eps;
    const Values gamma = parameter(norm.name + ".weight"), beta = parameter(norm.name + ".bias"),
                 mean = parameter(norm.name + ".running_mean"),
                 variance = parameter(norm.name + ".running_var");
    Affine result;
    for (std::size_t c = 0; c < gamma.size(); ++c) {
      result.scale.push_back(gamma[c] / std::sqrt(variance[c] + eps));
      result.shift.push_back(beta[c] - mean[c] * result.scale[c]);
    }
    return result;
  }

  std::string lower(NodeId id) {
    const Node& n = node(id);
    std::vector<std::string> inputs;
    for (NodeId in : n.inputs) inputs.push_back(value_of(in));
    return std::visit(
        Overloaded{[&](const Input& op) { return lower_input(op); },
                   [&](const Convolves auto&) { return unfolded_convolution(id); },
                   [&](const BatchNorm& op) { return batch_norm(id, op, inputs); },
                   [&](const Relu&) { return onnx_.add_node("Relu", n.name, inputs); },
                   [&](const Relu6&) {
                     const Values low = {0.0f}, high = {6.0f};
                     inputs.push_back(onnx_.add_floats(n.name + ".low", {}, low));
                     inputs.push_back(onnx_.add_floats(n.name + ".high", {}, high));
                     return onnx_.add_node("Clip", n.name, inputs);
                   },
                   [&](const Sigmoid& op) { return sigmoid(n, op.kind, inputs.front()); },
                   [&](const Dropout& op) {
                     const Values rate = {op.rate};
                     inputs.push_back(onnx_.add_floats(n.name + ".rate", {}, rate));
                     return onnx_.add_node("Dropout", n.name, inputs);
                   },
                   [&](const Add&) { return onnx_.add_node("Add", n.name, inputs); },
                   [&](const ChannelScale&) { return channel_scale(id, inputs); },
                   [&](const Concat&) {
                     return onnx_.add_node("Concat", n.name, inputs, {{"axis", std::int64_t{1}}});
                   },
                   [&](const ChannelGather& op) { return gather(n, op, inputs.front()); },
                   [&](const Pool& op) {
                     std::vector<OnnxAttribute> attributes = window(op.window, op.stride, op.pad);
                     if (op.kind == PoolKind::average) {
                       attributes.push_back({"count_include_pad", std::int64_t{1}});
                     }
                     return onnx_.add_node(op.kind == PoolKind::max ? "MaxPool" : "AveragePool",
                                           n.name, inputs, attributes);
                   },
                   [&](const GlobalAvgPool&) {
                     return onnx_.add_node("ReduceMean", n.name, inputs,
                                           {{"axes", std::vector<std::int64_t>{2, 3}},
                                            {"keepdims", std::int64_t{0}}});
                   },
                   [&](const Flatten&) { return onnx_.add_node("Flatten", n.name, inputs); },
                   [&](const Linear& op) {
                     inputs.push_back(stored(n.name + ".weight"));
                     if (op.bias) inputs.push_back(stored(n.name + ".bias"));
                     return onnx_.add_node("Gemm", n.name, inputs, {{"transB", std::int64_t{1}}});
                   }},
        n.op);
  }

  static std::vector<OnnxAttribute> window(std::int64_t extent, std::int64_t stride,
                                           std::int64_t pad) {
    const auto twice = [](std::int64_t v) { return std::vector<std::int64_t>{v, v}; };
    return {{"kernel_shape", twice(extent)},
            {"strides", twice(stride)},
            {"pads", std::vector<std::int64_t>(4, pad)}};
  }

  std::string lower_input(const Input& op) {
    const std::int64_t side = model_.info.side, c = op.channels;
    if (!options_.preprocessing) {
      onnx_.add_input("images", OnnxType::float32, {-1, c, side, side});
      return "images";
    }
    const std::int64_t from = model_.info.data_side;
    require<ConfigError>(from > 0, "the model doesn't say what side the images of its data have");
    onnx_.add_input("images", OnnxType::uint8, {-1, from, from, c});
    std::string x = onnx_.add_node("Cast", "preprocess.float", {"images"},
                                   {{"to", static_cast<std::int64_t>(OnnxType::float32)}});
    x = onnx_.add_node("Transpose", "preprocess.planes", {x},
                       {{"perm", std::vector<std::int64_t>{0, 3, 1, 2}}});
    if (from != side) x = resize(x, from, side);
    Values scale, shift;
    for (std::size_t i = 0; i < static_cast<std::size_t>(c); ++i) {
      const float deviation = model_.info.normalisation.std[i];
      scale.push_back(1.0f / (255.0f * deviation));
      shift.push_back(-model_.info.normalisation.mean[i] / deviation);
    }
    const std::string a = onnx_.add_floats("preprocess.scale", {c, 1, 1}, scale),
                      b = onnx_.add_floats("preprocess.shift", {c, 1, 1}, shift);
    x = onnx_.add_node("Mul", "preprocess.scaled", {x, a});
    return onnx_.add_node("Add", "preprocess.normalised", {x, b});
  }

  // y = A x A^T, for which the kernel itself gives A: its columns are what it makes of unit vectors.
  std::string resize(const std::string& x, std::int64_t from, std::int64_t to) {
    Values unit(static_cast<std::size_t>(from * from), 0.0f);
    for (std::int64_t i = 0; i < from; ++i) unit[static_cast<std::size_t>(i * from + i)] = 1.0f;
    Values matrix(static_cast<std::size_t>(to * from)), transposed(matrix.size());
    // Columns alone: (from, from) to (to, from), one row of pixels, `from` channels.
    kernels::resize_forward({}, {1, from, 1, to, 1, from}, model_.info.resize, unit.data(),
                            matrix.data());
    for (std::int64_t i = 0; i < to; ++i) {
      for (std::int64_t j = 0; j < from; ++j) {
        transposed[static_cast<std::size_t>(j * to + i)] =
            matrix[static_cast<std::size_t>(i * from + j)];
      }
    }
    const std::string a = onnx_.add_floats("preprocess.rows", {to, from}, matrix),
                      b = onnx_.add_floats("preprocess.columns", {from, to}, transposed);
    const std::string rows = onnx_.add_node("MatMul", "preprocess.shorter", {a, x});
    return onnx_.add_node("MatMul", "preprocess.resized", {rows, b});
  }

  // A folded one runs at the place of its batch norm.
  std::string unfolded_convolution(NodeId id) {
    const bool folded = std::ranges::find(folded_, id) != folded_.end();
    return folded ? std::string() : convolution(node(id), nullptr);
  }

  std::string convolution(const Node& conv, const Node* norm) {
    const bool has_bias = network_.has_parameter(conv.name + ".bias");
    std::vector<std::string> inputs = {value_of(conv.inputs.front())};
    if (norm == nullptr) {
      inputs.push_back(stored(conv.name + ".weight"));
      if (has_bias) inputs.push_back(stored(conv.name + ".bias"));
    } else {
      const auto [scale, shift] = affine(*norm);
      const Parameter& p = network_.parameter(conv.name + ".weight");
      const engine::Tensor stored_weight = to_file_layout(p.role, p.var.value);
      Values weight(stored_weight.values().begin(), stored_weight.values().end());
      Values bias = shift;
      const std::size_t filter = weight.size() / scale.size();
      for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= scale[i / filter];
      if (has_bias) {
        const Values own = parameter(conv.name + ".bias");
        for (std::size_t k = 0; k < bias.size(); ++k) bias[k] += own[k] * scale[k];
      }
      inputs.push_back(onnx_.add_floats(conv.name + ".weight", stored_weight.shape(), weight));
      inputs.push_back(onnx_.add_floats(conv.name + ".bias", {std::ssize(bias)}, bias));
    }
    std::vector<OnnxAttribute> attributes;
    if (const auto* op = std::get_if<DepthwiseConv2d>(&conv.op)) {
      attributes = window(op->window, op->stride, op->pad);
      const NodeId x = conv.inputs.front();
      attributes.push_back({"group", infer_channels(graph_)[static_cast<std::size_t>(x)]});
    } else if (const auto* grouped = std::get_if<GroupedConv2d>(&conv.op)) {
      attributes = window(grouped->window, grouped->stride, grouped->pad);
      attributes.push_back({"group", grouped->groups});
    } else {
      const auto& plain = std::get<Conv2d>(conv.op);
      attributes = window(plain.window, plain.stride, plain.pad);
    }
    return onnx_.add_node("Conv", conv.name, inputs, attributes);
  }

  std::string batch_norm(NodeId id, const BatchNorm& op, const std::vector<std::string>& inputs) {
    const Node& n = node(id);
    const NodeId conv = folded_[static_cast<std::size_t>(id)];
    std::string y;
    if (conv >= 0) {
      y = convolution(node(conv), &n);
    } else {
      y = onnx_.add_node("BatchNormalization", n.name,
                         {inputs.front(), stored(n.name + ".weight"), stored(n.name + ".bias"),
                          stored(n.name + ".running_mean"), stored(n.name + ".running_var")},
                         {{"epsilon", op.eps}});
    }
    if (inputs.size() > 1) y = onnx_.add_node("Add", n.name + ".residual", {y, inputs[1]});
    if (op.relu) y = onnx_.add_node("Relu", n.name + ".relu", {y});
    return y;
  }

  std::string sigmoid(const Node& n, kernels::SigmoidKind kind, const std::string& x) {
    switch (kind) {
      case kernels::SigmoidKind::silu:
        return onnx_.add_node("Mul", n.name,
                              {x, onnx_.add_node("Sigmoid", n.name + ".sigmoid", {x})});
      case kernels::SigmoidKind::hard_sigmoid:
        return onnx_.add_node("HardSigmoid", n.name, {x}, {{"alpha", 1.0f / 6.0f}});
      case kernels::SigmoidKind::hard_swish:
        return onnx_.add_node("HardSwish", n.name, {x});
      case kernels::SigmoidKind::sigmoid:
        break;
    }
    return onnx_.add_node("Sigmoid", n.name, {x});
  }

  // Whether a node yields rows (N, channels), not images.
  bool is_rows(NodeId id) const {
    for (; !node(id).inputs.empty(); id = node(id).inputs.front()) {
      const Op& op = node(id).op;
      if (std::holds_alternative<GlobalAvgPool>(op) || std::holds_alternative<Flatten>(op) ||
          std::holds_alternative<Linear>(op)) {
        return true;
      }
    }
    return false;
  }

  // The factors are rows or images of a pixel, and become what is scaled.
  std::string channel_scale(NodeId id, std::vector<std::string> inputs) {
    const Node& n = node(id);
    std::vector<std::int64_t> extents = {-1, infer_channels(graph_)[static_cast<std::size_t>(id)]};
    if (!is_rows(id)) extents.insert(extents.end(), {1, 1});
    const std::string shape = onnx_.add_integers(n.name + ".shape", extents);
    inputs[1] = onnx_.add_node("Reshape", n.name + ".factors", {inputs[1], shape});
    return onnx_.add_node("Mul", n.name, inputs);
  }

  std::string gather(const Node& n, const ChannelGather& op, std::string x) {
    if (op.stride > 1) {
      const std::string begin = onnx_.add_integers(n.name + ".begin", {0, 0}),
                        end = onnx_.add_integers(n.name + ".end", {max_extent, max_extent}),
                        axes = onnx_.add_integers(n.name + ".axes", {2, 3}),
                        steps = onnx_.add_integers(n.name + ".steps", {op.stride, op.stride});
      x = onnx_.add_node("Slice", n.name + ".strided", {x, begin, end, axes, steps});
    }
    const std::int64_t channels =
        infer_channels(graph_)[static_cast<std::size_t>(n.inputs.front())];
    std::vector<std::int64_t> source(op.source.begin(), op.source.end());
    if (std::ranges::find(source, -1) != source.end()) {
      // A channel of zeros behind the others, which those that come from nowhere read.
      const std::string pads = onnx_.add_integers(n.name + ".pads", {0, 0, 0, 0, 0, 1, 0, 0});
      x = onnx_.add_node("Pad", n.name + ".zeros", {x, pads});
      std::ranges::replace(source, -1, channels);
    }
    const std::string indices = onnx_.add_integers(n.name + ".source", source);
    return onnx_.add_node("Gather", n.name, {x, indices}, {{"axis", std::int64_t{1}}});
  }

  void add_metadata() {
    const ModelInfo& info = model_.info;
    const std::vector<Extent> extents = infer_extents(graph_, info.side);
    std::int64_t macs = 0;
    for (NodeId id = 1; id < graph_.size(); ++id) {
      const auto extent = [&](NodeId of) { return extents[static_cast<std::size_t>(of)]; };
      macs += std::visit(
          [&](const auto& op) { return op.macs(extent(node(id).inputs.front()), extent(id)); },
          node(id).op);
    }
    onnx_.add_metadata("arch", info.arch);
    onnx_.add_metadata("side", std::to_string(info.side));
    onnx_.add_metadata("resize", to_string(info.resize));
    onnx_.add_metadata("macs", std::to_string(macs));
    onnx_.add_metadata("classes", nlohmann::json(info.class_names).dump());
    onnx_.add_metadata("mean", nlohmann::json(info.normalisation.mean).dump());
    onnx_.add_metadata("std", nlohmann::json(info.normalisation.std).dump());
    onnx_.add_metadata("provenance", info.provenance.dump());
  }

  const Model& model_;
  Network network_;  // on the CPU
  const Graph& graph_;
  OnnxOptions options_;
  std::vector<NodeId> folded_;  // by batch norm: the convolution that it is folded into, or -1
  OnnxModel onnx_;
  std::vector<std::string> values_;  // by node: the name of what it yields
};

}  // namespace

std::string to_onnx(const Model& model, const OnnxOptions& options) {
  return Exporter(model, options).run();
}

}  // namespace trifold::nn
