/// One forward pass through a network, a node at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/fused_ops.h"
#include "nn/execute/executor.h"

namespace trifold::nn {

class ForwardPass {
 public:
  /// The network, its plan and the tape outlive this object. The values of `kept` nodes are wanted
  /// themselves, so that they are not fused with others.
  ForwardPass(const Network& network, const ExecutionPlan& plan, engine::Tape& tape,
              const engine::Var& x, const ForwardMode& mode, std::span<const NodeId> kept = {});

  /// Has Concats go on in each other's place though norms aren't fused here: for a caller that
  /// computes the norms of them itself and reads the first channels of a wider value.
  void concat_in_place() { in_place_concat_ = true; }

  /// Computes the value of a node other than the Input from those of its inputs.
  void run(NodeId id);

  /// The value of a node that has been run. That of a batch norm that is part of its convolution
  /// has no array, and a Concat in whose place another goes on has its channels first in that
  /// one's.
  engine::Var& value(NodeId id) { return values_[static_cast<std::size_t>(id)]; }
  /// Gives up a value that nothing reads any more.
  void release(NodeId id);

 private:
  engine::BatchStatistics& statistics(NodeId id) {
    return statistics_[static_cast<std::size_t>(id)];
  }
  std::shared_ptr<engine::LazyBatchNorm>& norm(NodeId id) {
    return norms_[static_cast<std::size_t>(id)];
  }
  bool is_kept(NodeId id) const;
  bool wants_statistics(NodeId id) const;

  engine::Var compute(NodeId id);
  engine::Var conv2d(NodeId id, const Conv2d& op);
  engine::Var batch_norm(NodeId id, const BatchNorm& op);
  engine::Var dropout(NodeId id, const Dropout& op);
  engine::Var concat(NodeId id);
  NodeId in_place_successor(NodeId id) const;

  const engine::Var& own(const Node& node, const char* suffix) const;
  engine::BatchNormState state(const Node& node, const BatchNorm& op) const;

  const Network& network_;
  const ExecutionPlan& plan_;
  engine::Tape& tape_;
  ForwardMode mode_;
  std::span<const NodeId> kept_;
  bool in_place_concat_;
  std::vector<engine::Var> values_;
  std::vector<engine::BatchStatistics> statistics_;  // undefined where no batch norm wants them
  std::vector<std::shared_ptr<engine::LazyBatchNorm>> norms_;  // null but for convolutions' own
};

}  // namespace trifold::nn
