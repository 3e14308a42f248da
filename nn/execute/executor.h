/// Running a network forward, op by op on a tape.
#pragma once

#include <span>
#include <vector>

#include "engine/ops.h"
#include "nn/execute/execution_plan.h"
#include "nn/network.h"

namespace trifold::nn {

/// What the dropouts of a step draw from, with their names.
struct DropoutSource {
  std::uint64_t seed;
  engine::Tensor step;  ///< (1) on the device: a whole number
};

/// How the batch norms and dropouts of a forward pass behave. With statistics of the batch, the
/// running ones move by `momentum` towards them, and batch norms may be fused with the convolutions
/// around them (nn/execute/norm_fusion.h), which changes results by rounding alone.
struct ForwardMode {
  engine::Statistics statistics;
  float momentum = 0.1f;
  bool fused = true;
  const DropoutSource* dropout = nullptr;  ///< null: they pass values on
  /// The ranks whose batches make the statistics together; null: each on its own. Takes !fused.
  const kernels::Collective* synchronised = nullptr;
};
inline constexpr ForwardMode training{engine::Statistics::batch};
inline constexpr ForwardMode inference{engine::Statistics::running};

/// The result of a forward pass: the logits and the values that were asked for.
struct Outputs {
  engine::Var logits;
  std::vector<engine::Var> taps;
};

/// A network and the plan of its graph.
class Executor {
 public:
  /// The network outlives this object, with the graph and on the device that it has now.
  explicit Executor(const Network& network)
      : network_(network), plan_(network.graph(), network.device()) {}

  /// Runs the graph on images x (n,h,w,c). A value is released after its last reader, unless the
  /// tape needs it. `taps` names nodes whose values are wanted besides the logits, in ascending
  /// order.
  /// Errors    ShapeError: images of other channels than the network reads.
  Outputs forward(engine::Tape& tape, const engine::Var& x, const ForwardMode& mode,
                  std::span<const NodeId> taps = {}) const;

 private:
  const Network& network_;
  ExecutionPlan plan_;
};

}  // namespace trifold::nn
