/// A network made ready for inference: batch norms folded into the convolutions in front of them.
#pragma once

#include <algorithm>
#include <map>
#include <variant>
#include <vector>

#include "engine/ops.h"
#include "engine/packed_conv2d.h"
#include "engine/packed_inverted_residual.h"
#include "nn/execute/execution_plan.h"
#include "nn/network.h"

namespace trifold::nn {

/// A convolution as inference works it: at the place of the batch norm behind it that is folded
/// into it, or else at its own.
struct FoldedConvolution {
  NodeId conv;
  NodeId source;         ///< what it reads
  NodeId norm_in_front;  ///< that is worked as it reads; -1: none
};

/// A depthwise convolution between two of 1 x 1 windows, by the nodes at whose places the first two run.
struct FoldedInvertedResidual {
  NodeId expand, depthwise;
};

/// Which batch norms become part of convolutions, depthwise ones and those in groups among them, in
/// inference, and which convolutions are worked together.
struct Folding {
  std::map<NodeId, FoldedConvolution> convolutions;  ///< by the node at whose place they run
  std::vector<bool> skipped;                         ///< nodes that are part of another
  std::map<NodeId, FoldedInvertedResidual> inverted_residuals;  ///< by the place of the last
};

Folding plan_folding(const Graph& graph, const NormFusion& fusion);

/// In inference a batch norm is a scale and a shift of each channel, so that one which alone reads a
/// convolution disappears in it: w' = w s, b' = beta + (b - running_mean) s, with s = gamma /
/// sqrt(running_var + eps). Its residual and its ReLU are worked while the convolution's result is
/// still in registers; behind one in groups they are ops of their own, as the residual is behind a
/// depthwise one. One that a convolution alone reads is worked, with its ReLU, as that reads. The
/// convolutions of an inverted residual are one op where nothing else reads what lies between them.
/// Weights are packed once, and a dense block is written once. Results differ from the network's by
/// rounding alone.
class FoldedNetwork {
 public:
  /// `network` outlives this object and does not change meanwhile.
  explicit FoldedNetwork(const Network& network);

  /// Images (n,h,w,c) to logits (n,classes). A CPU takes a large batch in parts, whose layers lie in
  /// its caches.
  engine::Tensor forward(const kernels::Exec& ex, const engine::Tensor& images);

  /// How many batch norms have become part of a convolution.
  std::int64_t folded() const { return std::ranges::count(folding_.skipped, true); }

 private:
  /// A convolution that has no packed form: in groups, or depthwise, which has 0 of them here.
  struct Unpacked {
    engine::Var w, b;
    engine::ConvGeometry geometry;
    std::int64_t groups;

    engine::Var run(engine::Tape& tape, const engine::Var& x, const engine::Var* residual,
                    kernels::Activation act) const;
  };

  using Convolution = std::variant<engine::PackedConv2d, Unpacked, engine::PackedInvertedResidual>;

  void join_inverted_residuals();
  engine::Tensor forward_at_once(const kernels::Exec& ex, const engine::Tensor& images);
  std::vector<NodeId> inputs_of(NodeId id) const;

  const Network& network_;
  ExecutionPlan plan_;
  Folding folding_;
  // By the node at whose place they run.
  std::map<NodeId, Convolution> convolutions_;
  // Nodes that are part of another, or inside an inverted residual.
  std::vector<bool> worked_elsewhere_;
  std::vector<NodeId> last_reader_;
};

}  // namespace trifold::nn
