/// A graph of ours as it grows from the nodes of an ONNX file.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "nn/onnx/lower.h"

namespace trifold::nn {

/// Thrown for a node that can't be lowered.
struct NotUnderstood {
  std::string reason;
};

/// Thrown for a node that reads what another one, which wasn't understood, would have made.
struct FollowsAnother {};

/// Throws NotUnderstood unless `condition` holds.
inline void need(bool condition, const char* reason) {
  if (!condition) throw NotUnderstood{reason};
}

inline bool all_equal(const std::vector<std::int64_t>& values) {
  return std::ranges::all_of(values, [&](std::int64_t v) { return v == values.front(); });
}

/// What the values of the file are in the graph: nodes of it, or constants.
class OnnxDrafts {
 public:
  /// `image`: of the images that go in.
  OnnxDrafts(const OnnxFile& file, const Extent& image);

  struct Draft {
    Node node;
    Extent extent;
    bool is_flat;  ///< whether its value is rows (N, channels), not images
    int readers;   ///< of its value, in the file

    std::int64_t channels() const { return extent.c; }
  };
  Draft& draft(NodeId id) { return drafts_[static_cast<std::size_t>(id)]; }
  NodeId last() const { return std::ssize(drafts_) - 1; }

  /// Appends a node that makes `value`. Its name is made of letters, digits and "._-", and unique.
  void add(const std::string& name, Op op, std::vector<NodeId> inputs, const std::string& value);
  /// Gives the node's value another name, too: what `node`, which changes nothing, makes of it.
  void alias(const OnnxNode& node, NodeId id);
  void rename(const std::string& value, NodeId id) { values_[value] = id; }
  void give_up(const OnnxNode& node) { unknown_.insert(node.outputs.begin(), node.outputs.end()); }

  std::optional<NodeId> find(const std::string& value) const;
  /// What a node reads.
  NodeId value(const OnnxNode& node, std::size_t i) const;
  int uses(const std::string& value) const;

  void name_constant(const std::string& value, const OnnxTensor* tensor) {
    made_constants_[value] = tensor;
  }
  const OnnxTensor* constant(const std::string& name) const;  ///< null where it is none
  const OnnxTensor* optional_constant(const OnnxNode& node, std::size_t i) const;
  const OnnxTensor& required_constant(const OnnxNode& node, std::size_t i) const;
  const std::vector<std::int64_t>& integers(const OnnxNode& node, std::size_t i) const;
  /// The numbers that a node has as an input, or as an attribute in older versions.
  std::vector<std::int64_t> integers_or_list(const OnnxNode& node, std::size_t i,
                                             const std::string& attribute,
                                             const std::vector<std::int64_t>& otherwise = {}) const;

  /// What the owner of a weight is called: "layer1.0.conv1" of "layer1.0.conv1.weight", or the node.
  std::string name_by(const OnnxNode& node, std::size_t weight) const;
  /// A parameter of a node, under the suffix that model files have.
  void keep(NodeId id, const std::string& suffix, const OnnxTensor& tensor);

  /// The batch norm of a node that can still take over what alone reads it; else null.
  const BatchNorm* open_norm(NodeId id);
  /// Puts a batch norm at the place of what it took over, behind all of its inputs.
  void move_here(NodeId norm, Op op, std::vector<NodeId> inputs, const std::string& value);

  /// The nodes that the output needs, in their order, the output last, and their parameters.
  LoweredOnnx reached_from(NodeId output);

 private:
  const OnnxFile& file_;
  Extent image_;
  std::map<std::string, int> uses_;
  std::vector<Draft> drafts_;
  std::set<std::string> names_;
  std::map<std::string, int> others_;  // of a name that was asked for: those that have got another
  std::int64_t may_keep_ = 0;          // elements of parameters
  std::map<std::string, NodeId> values_;
  std::map<std::string, const OnnxTensor*> made_constants_;
  std::map<std::string, OnnxTensor> weights_;
  std::set<std::string> unknown_;
};

}  // namespace trifold::nn
