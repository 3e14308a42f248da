#include "nn/model.h"

#include <numeric>

namespace trifold::nn {

void replace_head(Model& model, std::int64_t classes, const std::vector<std::string>& class_names,
                  std::uint64_t seed) {
  model.network = with_new_head(model.network, classes, seed);
  model.info.class_names = class_names;
  const Graph& graph = model.network.graph();
  const auto head = model.info.original_channels.find(graph.node(graph.output()).name);
  if (head == model.info.original_channels.end()) return;
  head->second.resize(static_cast<std::size_t>(classes));
  std::iota(head->second.begin(), head->second.end(), std::int64_t{0});
}

}  // namespace trifold::nn
