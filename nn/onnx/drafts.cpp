#include "nn/onnx/drafts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

using Integers = std::vector<std::int64_t>;

// "layer1.0.conv1" of "layer1.0.conv1.weight".
std::string owner_of(const std::string& weight) {
  constexpr std::string_view suffix = ".weight";
  return weight.size() > suffix.size() && weight.ends_with(suffix)
             ? weight.substr(0, weight.size() - suffix.size())
             : "";
}

// A name of letters, digits and "._-". PyTorch's exporter calls what a module's convolution does
// "/layer1/layer1.0/conv1/Conv": that is layer1.0.conv1.
std::string readable(std::string name) {
  if (name.starts_with('/')) {
    std::vector<std::string> modules;
    std::istringstream parts(name.substr(1));
    for (std::string part; std::getline(parts, part, '/');) {
      const bool repeats = !modules.empty() && part.starts_with(modules.back() + ".");
      if (repeats) modules.pop_back();
      modules.push_back(part);
    }
    if (modules.size() > 1) modules.pop_back();  // the op
    name = fmt::format("{}", fmt::join(modules, "."));
  }
  for (char& c : name) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace

OnnxDrafts::OnnxDrafts(const OnnxFile& file, const Extent& image) : file_(file), image_(image) {
  for (const OnnxNode& node : file.nodes) {
    for (const std::string& input : node.inputs) ++uses_[input];
  }
  for (const std::string& output : file.outputs) ++uses_[output];
  // Exporters write equal tensors once, such as the values that batch norms begin with.
  constexpr std::int64_t shared = 1 << 24;
  may_keep_ = shared;
  for (const auto& [name, tensor] : file.constants) may_keep_ += std::ssize(tensor.floats);
  for (const OnnxNode& node : file.nodes) {
    for (const auto& [name, tensor] : node.tensors) may_keep_ += std::ssize(tensor.floats);
  }
}

void OnnxDrafts::add(const std::string& name, Op op, std::vector<NodeId> inputs,
                     const std::string& value) {
  Integers channels;
  std::vector<Extent> extents;
  for (NodeId in : inputs) {
    channels.push_back(draft(in).channels());
    extents.push_back(draft(in).extent);
  }
  if (inputs.empty()) extents.push_back(image_);
  Extent made{};
  try {
    need(std::visit([](const auto& o) { return o.is_valid(); }, op),
         "an attribute is out of range");
    made.c = std::visit([&](const auto& o) { return o.output_channels(channels); }, op);
    made = std::visit([&](const auto& o) { return o.output_extent(extents, made.c); }, op);
  } catch (const ShapeError& e) {
    throw NotUnderstood{e.what()};
  }
  const bool makes_rows = std::holds_alternative<GlobalAvgPool>(op) ||
                          std::holds_alternative<Flatten>(op) || std::holds_alternative<Linear>(op);
  const bool is_flat = makes_rows || (!inputs.empty() && draft(inputs[0]).is_flat);
  const std::string plain = readable(name.empty() ? value : name);
  std::string unique = plain;
  for (int& others = others_[plain]; !names_.insert(unique).second;) {
    unique = fmt::format("{}_{}", plain, ++others);
  }
  values_[value] = std::ssize(drafts_);
  drafts_.push_back(
      {{std::move(unique), std::move(op), std::move(inputs)}, made, is_flat, uses(value)});
}

int OnnxDrafts::uses(const std::string& value) const {
  const auto found = uses_.find(value);
  return found == uses_.end() ? 0 : found->second;
}

void OnnxDrafts::alias(const OnnxNode& node, NodeId id) {
  rename(node.outputs.front(), id);
  draft(id).readers += uses(node.outputs.front()) - 1;
}

std::optional<NodeId> OnnxDrafts::find(const std::string& value) const {
  const auto found = values_.find(value);
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

NodeId OnnxDrafts::value(const OnnxNode& node, std::size_t i) const {
  need(i < node.inputs.size(), "an input is missing");
  const std::string& name = node.inputs[i];
  if (unknown_.contains(name)) throw FollowsAnother{};
  const std::optional<NodeId> found = find(name);
  need(found.has_value(),
       constant(name) != nullptr ? "it reads a constant as an image" : "nothing makes its input");
  return *found;
}

const OnnxTensor* OnnxDrafts::constant(const std::string& name) const {
  if (const auto found = file_.constants.find(name); found != file_.constants.end()) {
    return &found->second;
  }
  const auto made = made_constants_.find(name);
  return made == made_constants_.end() ? nullptr : made->second;
}

const OnnxTensor* OnnxDrafts::optional_constant(const OnnxNode& node, std::size_t i) const {
  if (i >= node.inputs.size() || node.inputs[i].empty()) return nullptr;
  const OnnxTensor* found = constant(node.inputs[i]);
  need(found != nullptr, "an input is not a constant");
  return found;
}

const OnnxTensor& OnnxDrafts::required_constant(const OnnxNode& node, std::size_t i) const {
  const OnnxTensor* found = optional_constant(node, i);
  need(found != nullptr, "an input is missing");
  return *found;
}

const Integers& OnnxDrafts::integers(const OnnxNode& node, std::size_t i) const {
  const OnnxTensor& found = required_constant(node, i);
  need(std::ssize(found.integers) == found.shape.size(), "an input is not of integers");
  return found.integers;
}

Integers OnnxDrafts::integers_or_list(const OnnxNode& node, std::size_t i,
                                      const std::string& attribute,
                                      const Integers& otherwise) const {
  if (i < node.inputs.size() && !node.inputs[i].empty()) return integers(node, i);
  return node.list(attribute, otherwise);
}

std::string OnnxDrafts::name_by(const OnnxNode& node, std::size_t weight) const {
  const std::string name = owner_of(node.inputs[weight]);
  return name.empty() || names_.contains(readable(name)) ? node.name : name;
}

void OnnxDrafts::keep(NodeId id, const std::string& suffix, const OnnxTensor& tensor) {
  need(std::ssize(tensor.floats) == tensor.shape.size(), "a parameter is not of 32-bit floats");
  need(std::ssize(tensor.floats) <= may_keep_, "it shares large parameters with too many others");
  may_keep_ -= std::ssize(tensor.floats);
  weights_[draft(id).node.name + suffix] = tensor;
}

const BatchNorm* OnnxDrafts::open_norm(NodeId id) {
  const Draft& d = draft(id);
  const auto* norm = std::get_if<BatchNorm>(&d.node.op);
  return norm != nullptr && d.readers == 1 && !norm->relu ? norm : nullptr;
}

void OnnxDrafts::move_here(NodeId norm, Op op, std::vector<NodeId> inputs,
                           const std::string& value) {
  const Draft& old = draft(norm);
  Draft moved{
      {old.node.name, std::move(op), std::move(inputs)}, old.extent, old.is_flat, uses(value)};
  values_[value] = std::ssize(drafts_);
  drafts_.push_back(std::move(moved));
}

LoweredOnnx OnnxDrafts::reached_from(NodeId output) {
  std::vector<bool> needed(drafts_.size(), false);
  needed[static_cast<std::size_t>(output)] = needed[0] = true;
  for (NodeId id = output; id >= 0; --id) {
    if (!needed[static_cast<std::size_t>(id)]) continue;
    for (NodeId in : draft(id).node.inputs) needed[static_cast<std::size_t>(in)] = true;
  }
  LoweredOnnx result;
  std::vector<NodeId> moved(drafts_.size(), -1);
  std::set<std::string> kept;
  for (NodeId id = 0; id <= output; ++id) {
    if (!needed[static_cast<std::size_t>(id)]) continue;
    Node node = draft(id).node;
    for (NodeId& in : node.inputs) in = moved[static_cast<std::size_t>(in)];
    kept.insert(node.name);
    moved[static_cast<std::size_t>(id)] = result.graph.add(node.name, node.op, node.inputs);
  }
  for (auto& [name, tensor] : weights_) {
    if (kept.contains(name.substr(0, name.rfind('.')))) result.weights[name] = std::move(tensor);
  }
  return result;
}

}  // namespace trifold::nn
