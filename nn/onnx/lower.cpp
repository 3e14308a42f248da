#include "nn/onnx/lower.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.h"
#include "nn/onnx/selections.h"

namespace trifold::nn {
namespace {

using Integers = std::vector<std::int64_t>;

class Lowering : public OnnxSelections {
 public:
  Lowering(const OnnxFile& file, const std::string& image, const Extent& extent, std::string where)
      : OnnxSelections(file, extent), file_(file), where_(std::move(where)) {
    add("input", Input{extent.c}, {}, image);
  }

  LoweredOnnx run() {
    for (const OnnxNode& node : file_.nodes) {
      try {
        lower(node);
      } catch (const NotUnderstood& e) {
        const std::string& name =
            node.name.empty() && !node.outputs.empty() ? node.outputs.front() : node.name;
        refused_[{node.op, e.reason}].push_back(name);
        give_up(node);
      } catch (const FollowsAnother&) {
        give_up(node);
      }
    }
    std::vector<std::string> problems;
    for (const auto& [problem, names] : refused_) {
      problems.push_back(fmt::format("{} {} ({}; the first is '{}')", names.size(), problem.first,
                                     problem.second, names.front()));
    }
    require<FileError>(problems.empty(), "{}: some of its nodes are not understood: {}", where_,
                       fmt::join(problems, ", "));
    require<FileError>(!strides_over_one_side(),
                       "{}: a slice strides over one side of the image alone", where_);
    const std::optional<NodeId> output = find(file_.outputs.front());
    require<FileError>(output.has_value(), "{}: nothing makes its output '{}'", where_,
                       file_.outputs.front());
    return reached_from(*output);
  }

 private:
  // Handlers say what they don't understand before they read their inputs: so that a node is told of
  // even where one in front of it isn't understood, either.
  void lower(const OnnxNode& node) {
    need(!node.outputs.empty(), "it has no output");
    using Handler = void (Lowering::*)(const OnnxNode&);
    static const std::map<std::string, Handler> handlers = {
        {"Constant", &Lowering::make_constant},
        {"Identity", &Lowering::pass},
        {"Dropout", &Lowering::dropout},
        {"Flatten", &Lowering::flatten},
        {"Reshape", &Lowering::reshape},
        {"Squeeze", &Lowering::squeeze},
        {"Unsqueeze", &Lowering::unsqueeze},
        {"Conv", &Lowering::conv},
        {"BatchNormalization", &Lowering::batch_norm},
        {"Relu", &Lowering::relu},
        {"Clip", &Lowering::clip},
        {"Sigmoid", &Lowering::sigmoid},
        {"HardSigmoid", &Lowering::sigmoid},
        {"HardSwish", &Lowering::sigmoid},
        {"Add", &Lowering::add_values},
        {"Mul", &Lowering::multiply},
        {"Concat", &Lowering::concat},
        {"MaxPool", &Lowering::pool},
        {"AveragePool", &Lowering::pool},
        {"GlobalAveragePool", &Lowering::global_pool},
        {"ReduceMean", &Lowering::global_pool},
        {"Gemm", &Lowering::gemm},
        {"MatMul", &Lowering::matmul},
        {"Slice", &Lowering::slice},
        {"Pad", &Lowering::pad},
        {"Gather", &Lowering::gather}};
    const auto handler = handlers.find(node.op);
    need(handler != handlers.end(), "unknown op");
    (this->*handler->second)(node);
  }

  void make_constant(const OnnxNode& node) {
    const auto found = node.tensors.find("value");
    need(found != node.tensors.end(), "not a constant tensor");
    name_constant(node.outputs.front(), &found->second);
  }

  void pass(const OnnxNode& node) {
    if (!node.inputs.empty() && constant(node.inputs.front()) != nullptr) {
      name_constant(node.outputs.front(), constant(node.inputs.front()));
      return;
    }
    alias(node, value(node, 0));
  }

  // Training is not the file's affair, but the rate is.
  void dropout(const OnnxNode& node) {
    float rate = 0.5f;
    if (const OnnxTensor* ratio = optional_constant(node, 1)) {
      need(ratio->floats.size() == 1, "a ratio that is not a number");
      rate = ratio->floats[0];
    } else if (const auto found = node.floats.find("ratio"); found != node.floats.end()) {
      rate = found->second;
    }
    const NodeId x = value(node, 0);
    add(node.name, Dropout{rate}, {x}, node.outputs.front());
  }

  void make_rows(const OnnxNode& node, NodeId x) {
    if (draft(x).is_flat) {
      alias(node, x);
      return;
    }
    const Extent& image = draft(x).extent;
    need(image.h == image.w, "an image that is not square");
    add(node.name, Flatten{image.h}, {x}, node.outputs.front());
  }

  void flatten(const OnnxNode& node) {
    need(node.integer("axis", 1) == 1, "not along the channels");
    make_rows(node, value(node, 0));
  }

  // An exporter that knows the number of images writes it in front.
  void reshape(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    if (!draft(x).is_flat) {
      const Integers& shape = integers(node, 1);
      need(shape.size() == 2 && (shape[1] == -1 || shape[1] == draft(x).extent.size()),
           "to another shape than an image's row");
    }
    make_rows(node, x);
  }

  void squeeze(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    need(draft(x).extent.h == 1 && draft(x).extent.w == 1, "an image that is not pooled");
    make_rows(node, x);
  }

  // Rows as images of one pixel, which here are the same.
  void unsqueeze(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    const Integers axes = integers_or_list(node, 1, "axes");
    need(draft(x).is_flat &&
             std::ranges::all_of(axes, [](std::int64_t a) { return a < 0 ? a >= -2 : a >= 2; }),
         "not of rows, to images of one pixel");
    alias(node, x);
  }

  // Square windows, equal strides and pads of one size.
  struct Window {
    std::int64_t extent, stride, pad;
  };
  static Window window(const OnnxNode& node, const Integers& kernel) {
    const Integers strides = node.list("strides", {1, 1}), pads = node.list("pads", {0, 0, 0, 0}),
                   dilations = node.list("dilations", {1, 1});
    const auto auto_pad = node.texts.find("auto_pad");
    need(
        auto_pad == node.texts.end() || auto_pad->second == "NOTSET" || auto_pad->second == "VALID",
        "auto_pad");
    need(kernel.size() == 2 && all_equal(kernel), "a window that is not square");
    need(strides.size() == 2 && all_equal(strides), "strides that differ");
    need(pads.size() == 4 && all_equal(pads), "pads that differ");
    need(dilations == Integers({1, 1}), "dilation");
    need(node.integer("ceil_mode", 0) == 0, "ceil_mode");
    return {kernel[0], strides[0], pads[0]};
  }

  void conv(const OnnxNode& node) {
    const OnnxTensor& weight = required_constant(node, 1);
    const OnnxTensor* const bias = optional_constant(node, 2);
    need(weight.shape.rank() == 4, "only images of two dimensions");
    const Window w = window(node, node.list("kernel_shape", {weight.shape[2], weight.shape[3]}));
    const NodeId x = value(node, 0);
    if (draft(x).is_flat) {
      need(w.extent == 1 && w.stride == 1 && w.pad == 0 && node.integer("group", 1) == 1,
           "a window or groups behind global pooling");
      OnnxTensor matrix = weight;
      matrix.shape = {weight.shape[0], weight.shape[1]};
      add_linear(node, matrix, bias);
      return;
    }
    const std::int64_t groups = node.integer("group", 1), filters = weight.shape[0];
    const std::int64_t channels = draft(x).channels();
    need(groups >= 1 && channels % groups == 0 && filters % groups == 0,
         "groups that don't divide its channels and filters");
    Op op = Conv2d{.filters = filters,
                   .window = w.extent,
                   .stride = w.stride,
                   .pad = w.pad,
                   .bias = bias != nullptr};
    if (groups > 1 && groups == channels && groups == filters) {
      op = DepthwiseConv2d{w.extent, w.stride, w.pad, bias != nullptr};
    } else if (groups > 1) {
      op = GroupedConv2d{filters, groups, w.extent, w.stride, w.pad, bias != nullptr};
    }
    add(name_by(node, 1), std::move(op), {x}, node.outputs.front());
    keep(last(), ".weight", weight);
    if (bias != nullptr) keep(last(), ".bias", *bias);
  }

  void batch_norm(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    need(node.integer("training_mode", 0) == 0, "training mode");
    const auto found = node.floats.find("epsilon");
    const float eps = found == node.floats.end() ? 1e-5f : found->second;
    need(std::isfinite(eps), "an epsilon that is no number");
    const OnnxTensor* parameters[4];
    for (std::size_t i = 0; i < 4; ++i) parameters[i] = &required_constant(node, i + 1);
    add(name_by(node, 1), BatchNorm{.eps = eps}, {x}, node.outputs.front());
    constexpr const char* suffixes[] = {".weight", ".bias", ".running_mean", ".running_var"};
    for (std::size_t i = 0; i < 4; ++i) keep(last(), suffixes[i], *parameters[i]);
  }

  void relu(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    if (const BatchNorm* norm = open_norm(x)) {
      BatchNorm fused = *norm;
      fused.relu = true;
      move_here(x, fused, draft(x).node.inputs, node.outputs.front());
      return;
    }
    add(node.name, Relu{}, {x}, node.outputs.front());
  }

  void clip(const OnnxNode& node) {
    const auto bound = [&](std::size_t i, const char* attribute, float otherwise) {
      if (const OnnxTensor* t = optional_constant(node, i)) {
        need(t->floats.size() == 1, "a bound that is not a number");
        return t->floats[0];
      }
      const auto found = node.floats.find(attribute);
      return found == node.floats.end() ? otherwise : found->second;
    };
    need(bound(1, "min", -1.0f) == 0.0f && bound(2, "max", 0.0f) == 6.0f,
         "bounds other than 0 and 6");
    const NodeId x = value(node, 0);
    add(node.name, Relu6{}, {x}, node.outputs.front());
  }

  void sigmoid(const OnnxNode& node) {
    using Kind = kernels::SigmoidKind;
    Kind kind = node.op == "Sigmoid" ? Kind::sigmoid : Kind::hard_swish;
    if (node.op == "HardSigmoid") {
      const auto factor = [&](const char* name, float otherwise) {
        const auto found = node.floats.find(name);
        return found == node.floats.end() ? otherwise : found->second;
      };
      need(std::abs(factor("alpha", 0.2f) - 1.0f / 6.0f) < 1e-6f && factor("beta", 0.5f) == 0.5f,
           "another slope than 1/6, or offset than 1/2");
      kind = Kind::hard_sigmoid;
    }
    const NodeId x = value(node, 0);
    add(node.name, Sigmoid{kind}, {x}, node.outputs.front());
  }

  // A value by a sigmoid of itself, or an image by factors of its channels.
  void multiply(const OnnxNode& node) {
    using Kind = kernels::SigmoidKind;
    need(node.inputs.size() == 2, "it doesn't multiply two values");
    const NodeId a = value(node, 0), b = value(node, 1);
    for (const auto& [x, gate] : {std::pair(a, b), std::pair(b, a)}) {
      const auto* const sigmoid = std::get_if<Sigmoid>(&draft(gate).node.op);
      if (sigmoid == nullptr || draft(gate).node.inputs[0] != x) continue;
      if (sigmoid->kind != Kind::sigmoid && sigmoid->kind != Kind::hard_sigmoid) continue;
      const bool hard = sigmoid->kind == Kind::hard_sigmoid;
      add(node.name, Sigmoid{hard ? Kind::hard_swish : Kind::silu}, {x}, node.outputs.front());
      return;
    }
    for (const auto& [x, factor] : {std::pair(a, b), std::pair(b, a)}) {
      const Draft& by = draft(factor);
      if (by.extent.h != 1 || by.extent.w != 1 || (draft(x).is_flat && !by.is_flat)) continue;
      add(node.name, ChannelScale{}, {x, factor}, node.outputs.front());
      return;
    }
    need(false, "neither by a sigmoid of itself nor by factors of channels");
  }

  void add_values(const OnnxNode& node) {
    need(node.inputs.size() == 2, "it doesn't add two values");
    for (std::size_t i : {0, 1}) {
      if (constant(node.inputs[i]) != nullptr) {
        add_bias(node, 1 - i, *constant(node.inputs[i]));
        return;
      }
    }
    const NodeId a = value(node, 0), b = value(node, 1);
    for (const auto& [norm, other] : {std::pair(a, b), std::pair(b, a)}) {
      if (a == b || open_norm(norm) == nullptr || draft(norm).node.inputs.size() != 1) continue;
      if (draft(norm).channels() != draft(other).channels()) continue;
      move_here(norm, draft(norm).node.op, {draft(norm).node.inputs[0], other},
                node.outputs.front());
      return;
    }
    add(node.name, Add{}, {a, b}, node.outputs.front());
  }

  // The constant behind a MatMul.
  void add_bias(const OnnxNode& node, std::size_t operand, const OnnxTensor& bias) {
    const NodeId x = value(node, operand);
    auto* const linear = std::get_if<Linear>(&draft(x).node.op);
    need(linear != nullptr && !linear->bias && draft(x).readers == 1,
         "a constant is added to an image");
    need(bias.shape.size() == linear->outputs, "a bias of another size");
    linear->bias = true;
    OnnxTensor flat = bias;
    flat.shape = engine::Shape{bias.shape.size()};
    keep(x, ".bias", flat);
    alias(node, x);
  }

  void concat(const OnnxNode& node) {
    need(!node.inputs.empty(), "an input is missing");
    std::vector<NodeId> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(value(node, i));
    need(node.integer("axis", 0) == 1, "not along the channels");
    // What an earlier one has joined already is read from there, so that a dense block grows by one
    // layer at a time.
    const auto shorter = joined_.find(std::vector<NodeId>(inputs.begin(), inputs.end() - 1));
    const std::vector<NodeId> whole = inputs;
    if (inputs.size() > 2 && shorter != joined_.end()) inputs = {shorter->second, inputs.back()};
    add(node.name, Concat{}, inputs, node.outputs.front());
    joined_[whole] = last();
  }

  void pool(const OnnxNode& node) {
    const bool max = node.op == "MaxPool";
    const Window w = window(node, node.list("kernel_shape", {}));
    need(max || w.pad == 0 || node.integer("count_include_pad", 0) == 1,
         "padding that isn't counted");
    const NodeId x = value(node, 0);
    if (!max && w.extent == 1 && w.stride == 1) {  // adaptive pooling to the side that is there
      alias(node, x);
      return;
    }
    add(node.name, Pool{max ? PoolKind::max : PoolKind::average, w.extent, w.stride, w.pad}, {x},
        node.outputs.front());
  }

  void global_pool(const OnnxNode& node) {
    const NodeId x = value(node, 0);
    if (node.op == "ReduceMean") {
      Integers axes = integers_or_list(node, 1, "axes");
      for (std::int64_t& axis : axes) axis += axis < 0 ? 4 : 0;
      std::ranges::sort(axes);
      need(axes == Integers({2, 3}), "not the mean of the image");
    }
    add(node.name, GlobalAvgPool{}, {x}, node.outputs.front());
  }

  static OnnxTensor transposed(const OnnxTensor& t) {
    OnnxTensor result = t;
    const std::int64_t rows = t.shape[0], columns = t.shape[1];
    result.shape = {columns, rows};
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        result.floats[static_cast<std::size_t>(j * rows + i)] =
            t.floats[static_cast<std::size_t>(i * columns + j)];
      }
    }
    return result;
  }

  // `weight` is (outputs, inputs).
  void add_linear(const OnnxNode& node, const OnnxTensor& weight, const OnnxTensor* bias) {
    const NodeId x = value(node, 0);
    add(name_by(node, 1), Linear{weight.shape[0], bias != nullptr}, {x}, node.outputs.front());
    keep(last(), ".weight", weight);
    if (bias != nullptr) keep(last(), ".bias", *bias);
  }

  void linear(const OnnxNode& node, bool is_transposed, const OnnxTensor* bias) {
    value(node, 0);
    const OnnxTensor& weight = required_constant(node, 1);
    need(weight.shape.rank() == 2 && std::ssize(weight.floats) == weight.shape.size(),
         "weights that are not a matrix of 32-bit floats");
    add_linear(node, is_transposed ? weight : transposed(weight), bias);
  }

  void gemm(const OnnxNode& node) {
    const auto factor = [&](const char* name) {
      const auto found = node.floats.find(name);
      return found == node.floats.end() ? 1.0f : found->second;
    };
    need(factor("alpha") == 1.0f && factor("beta") == 1.0f, "factors other than 1");
    need(node.integer("transA", 0) == 0, "a transposed input");
    linear(node, node.integer("transB", 0) != 0, optional_constant(node, 2));
  }

  void matmul(const OnnxNode& node) { linear(node, false, nullptr); }

  // By refused op and reason: the nodes.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> refused_;
  std::map<std::vector<NodeId>, NodeId> joined_;
  const OnnxFile& file_;
  std::string where_;
};

}  // namespace

LoweredOnnx lower_onnx(const OnnxFile& file, const std::string& image, const Extent& extent,
                       const std::string& where) {
  return Lowering(file, image, extent, where).run();
}

}  // namespace trifold::nn
