/// Networks with ReLU6.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/graph.h"

namespace trifold::nn {

/// The graph with a ReLU6 in place of the ReLU of batch norms, or of those alone that add a residual.
inline Graph with_relu6(const Graph& graph, bool behind_residuals_alone = false) {
  Graph result;
  std::vector<NodeId> moved;
  const auto place = [&](NodeId id) { return moved[static_cast<std::size_t>(id)]; };
  for (Node node : graph.nodes) {
    for (NodeId& input : node.inputs) input = place(input);
    auto* norm = std::get_if<BatchNorm>(&node.op);
    const bool replaced =
        norm != nullptr && norm->relu && (node.inputs.size() == 2 || !behind_residuals_alone);
    if (replaced) norm->relu = false;
    const NodeId id = result.add(node.name, node.op, node.inputs);
    moved.push_back(replaced ? result.add(node.name + ".relu6", Relu6{}, {id}) : id);
  }
  for (Block block : graph.blocks) {
    block.input = place(block.input);
    block.output = place(block.output);
    result.blocks.push_back(block);
  }
  return result;
}

}  // namespace trifold::nn
