/// How a graph is run: what is worked out of it once, for all passes over it.
#pragma once

#include <map>
#include <vector>

#include "engine/tensor.h"
#include "nn/execute/norm_fusion.h"
#include "nn/graph.h"

namespace trifold::nn {

struct ExecutionPlan {
  /// Of a graph that passes validate(), to be run on `device`.
  ExecutionPlan(const Graph& graph, Device device);

  /// By node: those that read its result, and the last of them, after which it can be released; -1
  /// where there is none.
  std::vector<std::vector<NodeId>> readers;
  std::vector<NodeId> last_reader;
  /// Which batch norms are worked by the convolutions around them in training.
  NormFusion fusion;
  /// By ChannelGather: the channels that it picks, on the device.
  std::map<NodeId, engine::Tensor> gather_sources;
};

}  // namespace trifold::nn
