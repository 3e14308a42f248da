/// How important the blocks of a network are.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "apps/prune/run.h"
#include "pruning/criterion.h"
#include "pruning/depth.h"

namespace trifold::apps {
namespace {

// By the criterion, as often as there are seeds.
BlockImportance judge_blocks(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  const auto criterion = pruning::block_criterion(run.options.block_criterion);
  const std::size_t blocks = network.graph().blocks.size();
  const auto seeds = static_cast<double>(run.options.probe_seeds);
  std::vector<double> sum(blocks, 0.0), squares(blocks, 0.0);
  pruning::Evidence seen = evidence(run, side);
  for (std::int64_t i = 0; i < run.options.probe_seeds; ++i) {
    const std::vector<double> found = criterion->importance(network, seen);
    for (std::size_t b = 0; b < blocks; ++b) {
      sum[b] += found[b];
      squares[b] += found[b] * found[b];
    }
    ++seen.seed;
  }
  BlockImportance result;
  for (std::size_t b = 0; b < blocks; ++b) {
    const double mean = sum[b] / seeds;
    result.mean.push_back(mean);
    if (seeds == 1) continue;
    result.spread.push_back(
        std::sqrt(std::max(0.0, squares[b] - seeds * mean * mean) / (seeds - 1)));
  }
  return result;
}

// After each block that goes the rest is judged anew. A block's importance is what it was when it
// went, but never less than that of one that went before it, so that the order is kept.
BlockImportance judge_one_by_one(const PruneRun& run, const nn::Network& network,
                                 std::int64_t side) {
  const std::int64_t least = pruning::min_depth(network.graph());
  const std::size_t blocks = network.graph().blocks.size();
  BlockImportance result{.mean = std::vector<double>(blocks), .spread = {}};
  if (run.options.probe_seeds > 1) result.spread.resize(blocks);
  nn::Network left = network.clone();
  BlockImportance judged;
  std::vector<std::size_t> names(blocks);  // of the blocks that are left
  std::iota(names.begin(), names.end(), std::size_t{0});
  double highest = -std::numeric_limits<double>::infinity();
  const auto record = [&](std::size_t block) {
    const double above = std::nextafter(highest, std::numeric_limits<double>::infinity());
    result.mean[names[block]] = std::max(judged.mean[block], above);
    if (!judged.spread.empty()) result.spread[names[block]] = judged.spread[block];
  };
  while (std::ssize(names) > least) {
    judged = judge_blocks(run, left, side);
    const std::vector<bool> keep =
        pruning::select_blocks(left.graph(), judged.mean, std::ssize(names) - 1);
    const auto gone = std::ranges::find(keep, false) - keep.begin();
    record(static_cast<std::size_t>(gone));
    highest = result.mean[names[static_cast<std::size_t>(gone)]];
    left = std::move(pruning::cut(left, {.keep_block = keep}).network);
    names.erase(names.begin() + gone);
    judged.mean.erase(judged.mean.begin() + gone);
    if (!judged.spread.empty()) judged.spread.erase(judged.spread.begin() + gone);
  }
  // Those that always stay come last, whatever they add.
  for (std::size_t block = 0; block < names.size(); ++block) record(block);
  return result;
}

}  // namespace

BlockImportance measure_blocks(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  const nn::Graph& graph = network.graph();
  if (!run.options.prune_depth || graph.blocks.empty() ||
      pruning::min_depth(graph) == std::ssize(graph.blocks)) {
    return {.mean = std::vector<double>(graph.blocks.size(), 0.0), .spread = {}};
  }
  return run.options.reprobe ? judge_one_by_one(run, network, side)
                             : judge_blocks(run, network, side);
}

}  // namespace trifold::apps
