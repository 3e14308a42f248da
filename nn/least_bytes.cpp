#include "nn/least_bytes.h"

#include <algorithm>

namespace trifold::nn {

double least_bytes(const Graph& graph, std::int64_t side) {
  const std::vector<Extent> extents = infer_extents(graph, side);
  double most = 0;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    auto elements = static_cast<double>(extents[i].size());
    for (const NodeId input : graph.nodes[i].inputs) {
      elements += static_cast<double>(extents[static_cast<std::size_t>(input)].size());
    }
    most = std::max(most, elements * sizeof(float));
  }
  return most;
}

}  // namespace trifold::nn
