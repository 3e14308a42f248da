/// One forward pass through a network, a node at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/fused_ops.h"
#include "nn/network.h"

namespace trifold::nn {

class ForwardPass {
 public:
  /// The network and the tape outlive this object. The values of `kept` nodes are wanted
  /// themselves, so that they are not fused with others.
  ForwardPass(const Network& network, engine::Tape& tape, const engine::Var& x,
              const ForwardMode& mode, std::span<const NodeId> kept = {});

  /// Lets Concats grow into each other in place though norms aren't fused here, for whoever computes
  /// the norms of them itself and reads the first channels of a wider value.
  void let_concats_grow() { concats_grow_ = true; }

  /// Computes the value of a node other than the Input from those of its inputs.
  void run(NodeId id);

  /// The value of a node that has been run. That of a batch norm that is part of its convolution has
  /// no array, and a Concat that grows into another has its channels first in that one's.
  engine::Var& value(NodeId id) { return values_[static_cast<std::size_t>(id)]; }
  /// Gives up a value that nobody reads any more.
  void release(NodeId id);

 private:
  engine::Moments& moments(NodeId id) { return moments_[static_cast<std::size_t>(id)]; }
  std::shared_ptr<engine::Norm>& norm(NodeId id) { return norms_[static_cast<std::size_t>(id)]; }
  bool is_kept(NodeId id) const;
  bool wants_moments(NodeId id) const;

  engine::Var compute(NodeId id);
  engine::Var conv2d(NodeId id, const Conv2d& op);
  engine::Var batch_norm(NodeId id, const BatchNorm& op);
  engine::Var concat(NodeId id);
  NodeId grows_into(NodeId id) const;

  const engine::Var& own(const Node& node, const char* suffix) const;
  engine::BatchNormState state(const Node& node, const BatchNorm& op) const;

  const Network& network_;
  engine::Tape& tape_;
  ForwardMode mode_;
  std::span<const NodeId> kept_;
  bool concats_grow_;
  std::vector<engine::Var> values_;
  std::vector<engine::Moments> moments_;              // undefined where no batch norm wants them
  std::vector<std::shared_ptr<engine::Norm>> norms_;  // null but for norms that convolutions read
};

}  // namespace trifold::nn
