#include "pruning/depth.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "kernels/error.h"

namespace trifold::pruning {
namespace {

std::map<std::int64_t, std::int64_t> blocks_of_stage(const nn::Graph& graph) {
  std::map<std::int64_t, std::int64_t> counts;
  for (const nn::Block& block : graph.blocks) ++counts[block.stage];
  return counts;
}

}  // namespace

std::int64_t min_depth(const nn::Graph& graph) {
  std::map<std::int64_t, std::int64_t> fixed;
  for (const nn::Block& block : graph.blocks) fixed[block.stage] += block.skippable ? 0 : 1;
  std::int64_t least = 0;
  for (const auto& [stage, count] : fixed) least += std::max<std::int64_t>(count, 1);
  return least;
}

std::vector<bool> select_blocks(const nn::Graph& graph, const std::vector<double>& importance,
                                std::int64_t keep) {
  const std::int64_t all = std::ssize(graph.blocks);
  require<ShapeError>(std::ssize(importance) == all, "{} importances for {} blocks",
                      importance.size(), all);
  require<TargetError>(keep >= min_depth(graph) && keep <= all,
                       "{} of {} blocks can't stay; at least {} have to", keep, all,
                       min_depth(graph));
  std::vector<std::size_t> order(graph.blocks.size());  // least important first
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return importance[i]; });

  std::map<std::int64_t, std::int64_t> left = blocks_of_stage(graph);
  std::vector<bool> kept(graph.blocks.size(), true);
  std::int64_t remaining = all;
  for (std::size_t i : order) {
    if (remaining == keep) break;
    const nn::Block& block = graph.blocks[i];
    if (!block.skippable || left[block.stage] == 1) continue;
    kept[i] = false;
    --left[block.stage];
    --remaining;
  }
  return kept;
}

}  // namespace trifold::pruning
