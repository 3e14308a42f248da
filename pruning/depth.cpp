#include "pruning/depth.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "kernels/runtime/error.h"

namespace trifold::pruning {
namespace {

std::map<std::int64_t, std::int64_t> blocks_per_stage(const nn::Graph& graph) {
  std::map<std::int64_t, std::int64_t> count;
  for (const nn::Block& block : graph.blocks) ++count[block.stage];
  return count;
}

}  // namespace

std::int64_t min_depth(const nn::Graph& graph) {
  std::map<std::int64_t, std::int64_t> fixed;
  for (const nn::Block& block : graph.blocks) fixed[block.stage] += block.skippable ? 0 : 1;
  std::int64_t sum = 0;
  for (const auto& [stage, count] : fixed) sum += std::max<std::int64_t>(count, 1);
  return sum;
}

std::vector<bool> select_blocks(const nn::Graph& graph, std::span<const double> importance,
                                std::int64_t keep_count) {
  const std::int64_t count = std::ssize(graph.blocks);
  require<ShapeError>(std::ssize(importance) == count,
                      "{} values of importance were given for {} blocks", importance.size(), count);
  require<ShapeError>(std::ranges::all_of(importance, [](double x) { return std::isfinite(x); }),
                      "a block's importance is not a finite number");
  require<TargetError>(keep_count >= min_depth(graph) && keep_count <= count,
                       "{} blocks can't stay: this network has {} and keeps at least {}",
                       keep_count, count, min_depth(graph));

  // Least important first; the reversed order and the stable sort put the later of equals first.
  std::vector<std::size_t> order(graph.blocks.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return importance[i]; });

  std::map<std::int64_t, std::int64_t> left = blocks_per_stage(graph);
  std::vector<bool> keep(graph.blocks.size(), true);
  std::int64_t kept = count;
  for (std::size_t i : order) {
    if (kept == keep_count) break;
    const nn::Block& block = graph.blocks[i];
    if (!block.skippable || left[block.stage] == 1) continue;
    keep[i] = false;
    --left[block.stage];
    --kept;
  }
  return keep;
}

double kept_depth(const std::vector<bool>& keep_block) {
  if (keep_block.empty()) return 1.0;
  return static_cast<double>(std::ranges::count(keep_block, true)) /
         static_cast<double>(keep_block.size());
}

}  // namespace trifold::pruning
