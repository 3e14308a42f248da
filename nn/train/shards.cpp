#include "nn/train/shards.h"

#include <span>

#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"

namespace trifold::nn {
namespace {

using engine::Tensor;

// What one shard, or some in a row, leave: gradients and running statistics, in the order of the
// parameters, and totals.
struct Sums {
  std::vector<float> values;
  std::vector<double> totals;  // loss, correct
};

void add(Sums& to, const Sums& from) {
  for (std::size_t i = 0; i < to.values.size(); ++i) to.values[i] += from.values[i];
  for (std::size_t i = 0; i < to.totals.size(); ++i) to.totals[i] += from.totals[i];
}

std::vector<Tensor> running_statistics(const Network& network) {
  std::vector<Tensor> copies;
  for (const Parameter& p : network.parameters()) {
    if (!is_trainable(p.role)) copies.push_back(p.var.value.clone());
  }
  return copies;
}

void set_running_statistics(Network& network, const std::vector<Tensor>& values) {
  auto value = values.begin();
  for (Parameter& p : network.parameters()) {
    if (is_trainable(p.role)) continue;
    const Device device = value->device();
    kernels::copy_memory(device, p.var.value.data(), device, value->data(), value->bytes());
    ++value;
  }
}

// Takes the gradients. A parameter without one, which the optimiser passes over, stays without: which
// they are is the graph's doing, so that the shards agree.
std::vector<float> take_values(Network& network, std::vector<bool>& present) {
  std::vector<float> values;
  present.clear();
  for (Parameter& p : network.parameters()) {
    const Tensor value = is_trainable(p.role) ? p.var.gradient->take() : p.var.value;
    present.push_back(value.defined());
    if (!value.defined()) continue;
    const std::size_t begin = values.size();
    values.resize(begin + static_cast<std::size_t>(value.size()));
    kernels::copy_memory(Device{}, values.data() + begin, value.device(), value.data(),
                         value.bytes());
  }
  return values;
}

void give_values(Network& network, const kernels::Exec& ex, const std::vector<float>& values,
                 const std::vector<bool>& present) {
  const float* next = values.data();
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) continue;
    Parameter& p = network.parameters()[i];
    const std::int64_t size = p.var.value.size();
    if (is_trainable(p.role)) {
      const std::span<const float> gradient(next, static_cast<std::size_t>(size));
      p.var.gradient->add(ex, Tensor::from(p.var.shape(), gradient, ex.device));
    } else {
      kernels::copy_memory(ex.device, p.var.value.data(), Device{}, next, p.var.value.bytes());
    }
    next += size;
  }
}

// The sum over the shards [first, last) by halves, and so in their order.
Sums sum_in_tree(std::int64_t first, std::int64_t last,
                 const std::function<Sums(std::int64_t)>& shard) {
  if (last - first == 1) return shard(first);
  const std::int64_t middle = first + (last - first) / 2;
  Sums sums = sum_in_tree(first, middle, shard);
  add(sums, sum_in_tree(middle, last, shard));
  return sums;
}

}  // namespace

Shards::Shards(std::int64_t shards, const kernels::Collective* ranks)
    : count_(shards), own_(shards), ranks_(ranks) {
  const std::int64_t of = ranks ? ranks->ranks() : 1;
  require<ConfigError>(shards >= 1 && shards % of == 0,
                       "{} shards of a batch can't be dealt out equally to {} ranks", shards, of);
  own_ = shards / of;
  first_ = ranks ? ranks->rank() * own_ : 0;
}

kernels::Totals Shards::run(Network& network, const kernels::Exec& ex, const Pass& pass) const {
  const std::vector<Tensor> running = running_statistics(network);
  std::vector<bool> present;
  Sums sums = sum_in_tree(first_, first_ + own_, [&](std::int64_t shard) {
    set_running_statistics(network, running);
    const kernels::Totals totals = pass(shard);
    return Sums{take_values(network, present), {totals.loss, static_cast<double>(totals.correct)}};
  });
  if (ranks_) {
    ranks_->sum(std::span<float>(sums.values));
    ranks_->sum(std::span<double>(sums.totals));
  }
  const float share = 1.0f / static_cast<float>(count_);
  for (float& value : sums.values) value *= share;
  give_values(network, ex, sums.values, present);
  return {.loss = sums.totals[0], .correct = static_cast<std::int64_t>(sums.totals[1])};
}

}  // namespace trifold::nn
