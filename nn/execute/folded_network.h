/// A network made ready for inference: batch norms folded into the convolutions in front of them.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "engine/packed_conv2d.h"
#include "nn/execute/execution_plan.h"
#include "nn/network.h"

namespace trifold::nn {

/// In inference a batch norm is a scale and a shift of each channel, so that one which alone reads a
/// convolution disappears in it: w' = w s, b' = beta + (b - running_mean) s, with s = gamma /
/// sqrt(running_var + eps). Its residual and its ReLU are worked while the convolution's result is
/// still in registers. One that a convolution alone reads is worked, with its ReLU, as that reads.
/// Weights are packed once, and a dense block is written once. Results differ from the network's by
/// rounding alone.
class FoldedNetwork {
 public:
  /// `network` outlives this object and does not change meanwhile.
  explicit FoldedNetwork(const Network& network);

  /// Images (n,h,w,c) to logits (n,classes).
  engine::Tensor forward(const kernels::Exec& ex, const engine::Tensor& images);

  /// How many batch norms have become part of a convolution.
  std::int64_t folded() const { return std::ranges::count(skipped_, true); }

 private:
  struct Convolution {
    NodeId source;
    engine::PackedConv2d conv;
  };

  std::vector<NodeId> inputs_of(NodeId id) const;

  const Network& network_;
  ExecutionPlan plan_;
  std::map<NodeId, Convolution> convolutions_;  // by the node at whose place they run
  std::vector<bool> skipped_;                   // nodes that are part of another
  std::vector<NodeId> last_reader_;
};

}  // namespace trifold::nn
