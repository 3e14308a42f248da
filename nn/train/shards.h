/// A batch that is trained on in shards, by one process or by several.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/collective.h"
#include "kernels/softmax_cross_entropy.h"
#include "nn/network.h"

namespace trifold::nn {

class RankSum;

/// Cuts a step into shards: each has its own forward and backward pass, with batch statistics of its
/// own, and what they leave is summed by one binary tree over all shards. So a step has the same bits
/// on any number of ranks.
class Shards {
 public:
  /// `ranks`, which outlive this, are null for a process on its own; `ex` is where passes run.
  /// Errors    ConfigError: the shards can't be dealt out equally.
  Shards(std::int64_t shards, const kernels::Collective* ranks, const kernels::Exec& ex);
  Shards(Shards&&) noexcept;
  ~Shards();

  std::int64_t count() const { return count_; }
  /// The first of the shards of this rank, and how many of them it has.
  std::int64_t first() const { return first_; }
  std::int64_t own() const { return own_; }

  /// One forward and backward pass over a shard: leaves its gradients with the parameters and returns
  /// its totals. It calls progressed() now and then in the backward pass, for ranks to exchange the
  /// gradients that are there.
  using Pass =
      std::function<kernels::Totals(std::int64_t shard, const std::function<void()>& progressed)>;

  /// Runs the passes of this rank's shards, in their order, each from the running statistics that the
  /// network has now. Leaves with the network the mean of all shards' gradients, and of the running
  /// statistics that they ended with; returns the sum of their totals. The same bits on all ranks.
  /// Errors    RankLostError: another rank is lost; the network is then unusable.
  kernels::Totals run(Network& network, const Pass& pass) const;

 private:
  std::int64_t count_, first_ = 0, own_;
  const kernels::Collective* ranks_;
  kernels::Exec ex_;
  std::unique_ptr<RankSum> over_ranks_;  // where there are ranks
};

}  // namespace trifold::nn
