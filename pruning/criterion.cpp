#include "pruning/criterion.h"

#include <tuple>

#include "pruning/criteria/bn_scale.h"
#include "pruning/criteria/fpgm.h"
#include "pruning/criteria/l1.h"
#include "pruning/criteria/l2.h"
#include "pruning/criteria/last_first.h"
#include "pruning/criteria/probe.h"
#include "pruning/criteria/random.h"
#include "pruning/criteria/taylor.h"
#include "pruning/registry.h"

namespace trifold::pruning {
namespace {

// A new criterion is a file in criteria/ and its name here.
using ChannelCriteria = std::tuple<BnScale, L1, L2, Fpgm, Taylor, RandomChannels>;
using BlockCriteria = std::tuple<Probe, RandomBlocks, LastFirst>;

template <class Criterion, class Types>
std::vector<CriterionEntry<Criterion>> criteria() {
  return entries_of<CriterionEntry<Criterion>, Types>(
      []<class Type>() { return [] { return std::make_unique<Type>(); }; });
}

}  // namespace

const std::vector<CriterionEntry<ChannelCriterion>>& channel_criteria() {
  static const auto all = criteria<ChannelCriterion, ChannelCriteria>();
  return all;
}

const std::vector<CriterionEntry<BlockCriterion>>& block_criteria() {
  static const auto all = criteria<BlockCriterion, BlockCriteria>();
  return all;
}

std::unique_ptr<ChannelCriterion> channel_criterion(const std::string& name) {
  return find_entry(channel_criteria(), "channel criterion", name).make();
}

std::unique_ptr<BlockCriterion> block_criterion(const std::string& name) {
  return find_entry(block_criteria(), "block criterion", name).make();
}

}  // namespace trifold::pruning
