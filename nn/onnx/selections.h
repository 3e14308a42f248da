/// The nodes of an ONNX file that select channels, or every other pixel: shortcut A of ResNets.
#pragma once

#include "nn/onnx/drafts.h"

namespace trifold::nn {

/// Makes ChannelGathers of Slice, Pad with zeros and Gather; one that alone reads another takes it
/// over. Each throws NotUnderstood for what else the node would do.
class OnnxSelections : public OnnxDrafts {
 public:
  using OnnxDrafts::OnnxDrafts;

  void slice(const OnnxNode& node);
  void pad(const OnnxNode& node);
  void gather(const OnnxNode& node);

  /// Whether a slice strides over one side of the image, and none has followed for the other.
  bool strides_over_one_side() const { return !halves_.empty(); }

 private:
  struct Half {
    std::string value;
    std::int64_t stride;
    std::size_t axis;
  };

  void add_gather(const OnnxNode& node, NodeId x, std::vector<std::int32_t> source,
                  std::int64_t stride);
  void select(std::int64_t channels);
  std::vector<std::int32_t> all_channels(NodeId x);
  void half_strided(const OnnxNode& node, NodeId x, std::int64_t stride, std::size_t axis);

  std::map<NodeId, Half> halves_;
  std::int64_t may_select_ = 1 << 24;  // channels, by all nodes together
};

}  // namespace trifold::nn
