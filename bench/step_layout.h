/// Where the arrays of a training step lie, and what works on a batch norm's behalf.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/step_traffic.h"
#include "kernels/conv2d.h"
#include "kernels/grouped_conv2d.h"
#include "nn/execute/norm_fusion.h"

namespace trifold::bench {

class StepLayout {
 public:
  using NodeId = nn::NodeId;

  StepLayout(const nn::Graph& graph, std::int64_t side, std::int64_t batch, bool fused)
      : graph_(graph),
        batch_(batch),
        fused_(fused),
        plan_(nn::plan_norm_fusion(graph)),
        extents_(nn::infer_extents(graph, side)) {}

  const nn::Graph& graph() const { return graph_; }
  bool fused() const { return fused_; }
  const nn::Extent& extent(NodeId id) const { return extents_[static_cast<std::size_t>(id)]; }
  std::int64_t pixels(NodeId id) const { return batch_ * extent(id).h * extent(id).w; }
  /// Of the node's result in an array of its own.
  double size(NodeId id) const { return 4.0 * static_cast<double>(batch_ * extent(id).size()); }
  kernels::Conv2dShape shape(const nn::Node& node, const nn::Conv2d& op) const;
  kernels::GroupedConv2dShape shape(const nn::Node& node, const nn::GroupedConv2d& op) const;

  bool is_part_of_convolution(NodeId id) const {
    return fused_ && plan_.part_of_convolution[static_cast<std::size_t>(id)];
  }
  bool gathers_statistics(NodeId id) const {
    return fused_ && plan_.statistics[static_cast<std::size_t>(id)];
  }
  /// Whether the statistics of the node's result come with it.
  bool brings_statistics(NodeId id) const;
  /// Whether a convolution masks the gradient of the batch norm's result and sums it up.
  bool is_summed_up(NodeId norm) const {
    return fused_ && plan_.first_reader[static_cast<std::size_t>(norm)] != -1;
  }
  /// Whether it is this one.
  bool sums_up(NodeId convolution) const;
  /// Whether the node is a convolution that one batch norm alone reads, whose factors come with its
  /// statistics.
  bool has_norm_behind(NodeId id) const {
    return fused_ && plan_.norm_behind[static_cast<std::size_t>(id)] != -1;
  }
  /// Whether the gradient behind the batch norm is left to the convolution before it to form.
  bool leaves_deferred(NodeId norm) const { return has_norm_behind(graph_.node(norm).inputs[0]); }

  /// The node's value under the name of the node in whose array it lies: a norm that is worked out
  /// where it is read has that of its input, and a Concat that grows in place that of the first.
  Array value(NodeId id) const { return {home(id), part(id, pixels(id))}; }
  /// Of the value that a convolution reads, what its windows reach.
  Array input(NodeId convolution, const kernels::Conv2dShape& s) const;
  /// The bytes of the node's gradient.
  double gradient_bytes(NodeId id) const {
    return is_part_of_convolution(id) ? size(id) : part(id, pixels(id));
  }

  /// Whether the Concat's first input grows into it in place.
  bool grows(NodeId concat) const;
  /// What a Concat copies, and its gradient copies back: an input, and its channels' bytes there.
  struct Slice {
    NodeId input;
    double bytes;
  };
  std::vector<Slice> moved_inputs(NodeId concat) const;

 private:
  NodeId home(NodeId id) const;
  /// Channels of the array where the node's value lies.
  std::int64_t pitch(NodeId id) const;
  /// The bytes of `count` pixels of it.
  double part(NodeId id, std::int64_t count) const;

  const nn::Graph& graph_;
  std::int64_t batch_;
  bool fused_;
  nn::NormFusion plan_;
  std::vector<nn::Extent> extents_;
};

}  // namespace trifold::bench
