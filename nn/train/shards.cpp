#include "nn/train/shards.h"

#include <optional>
#include <span>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"
#include "nn/train/rank_sum.h"

namespace trifold::nn {
namespace {

using engine::Tensor;

// What some shards in a row leave.
struct Sums {
  Tensor values;
  std::vector<double> totals;  // loss, correct
};

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

// What the passes over a shard leave, taken from the last parameter to the first, in which order a
// backward pass is done with them.
class ShardValues {
 public:
  ShardValues(Network& network, const kernels::Exec& ex)
      : present(network.parameters().size()),
        network_(network),
        ex_(ex),
        untaken_(network.parameters().size()) {
    for (const Parameter& p : network.parameters()) floats_ += p.var.value.size();
    values = Tensor::zeros({floats_}, ex.device);
  }

  // Calls made(first, count) for each piece of `values` that is complete: while the backward pass
  // still runs, for those of some size alone; `all`, when it is done. A parameter belongs to one op,
  // so that its gradient is complete when there is any. One that never gets a gradient, which the
  // optimiser passes over, stays without: which they are is the graph's doing, so that the shards
  // agree.
  template <class Made>
  void take(bool all, const Made& made) {
    std::size_t first = untaken_;
    std::int64_t floats = 0;
    while (first > 0 && (all || complete(first - 1))) {
      floats += network_.parameters()[--first].var.value.size();
      if (floats < piece_floats && (first > 0 || !all)) continue;
      take_from(first, floats);
      made(floats_, floats);
      floats = 0;
    }
  }

  Tensor values;              // gradients and running statistics, in the order of the parameters
  std::vector<bool> present;  // of the parameters

 private:
  // Small enough that most of a network is on its way before the last gradient is there, and large
  // enough for a network card.
  static constexpr std::int64_t piece_floats = std::int64_t{1} << 18;

  bool complete(std::size_t index) const {
    const Parameter& p = network_.parameters()[index];
    return !is_trainable(p.role) || p.var.gradient->sum().defined();
  }

  void take_from(std::size_t first, std::int64_t floats) {
    floats_ -= floats;
    float* next = values.data() + floats_;
    for (std::size_t i = first; i < untaken_; ++i) {
      Parameter& p = network_.parameters()[i];
      const Tensor value = is_trainable(p.role) ? p.var.gradient->take() : p.var.value;
      present[i] = value.defined();
      if (present[i]) {
        kernels::copy_memory(ex_.device, next, ex_.device, value.data(), value.bytes(), ex_.stream);
      }
      next += p.var.value.size();
    }
    untaken_ = first;
  }

  Network& network_;
  const kernels::Exec& ex_;
  std::size_t untaken_;      // parameters in front of those that were taken
  std::int64_t floats_ = 0;  // of these
};

void give_values(Network& network, const kernels::Exec& ex, const Tensor& values,
                 const std::vector<bool>& present) {
  const float* next = values.data();
  for (std::size_t i = 0; i < present.size(); ++i) {
    Parameter& p = network.parameters()[i];
    const bool trainable = is_trainable(p.role);
    if (present[i]) {
      const Tensor to = trainable ? Tensor::empty(p.var.shape(), ex.device) : p.var.value;
      kernels::copy_memory(ex.device, to.data(), ex.device, next, to.bytes(), ex.stream);
      if (trainable) p.var.gradient->add(ex, to);
    }
    next += p.var.value.size();
  }
}

// Keeps what is being summed until it is, also where a pass fails.
struct Waiting {
  RankSum* sum;
  ~Waiting() {
    if (sum) sum->wait();
  }
};

// One rank's passes over its shards of a batch.
class Step {
 public:
  Step(Network& network, const kernels::Exec& ex, const Shards::Pass& pass)
      : network_(network), ex_(ex), pass_(pass), running_(running_statistics(network)) {}

  // The sum over the shards [first, last), by halves and so in their order, its values over those of
  // the other ranks, too, if there are any.
  Sums sum(std::int64_t first, std::int64_t last, RankSum* over_ranks) {
    // The right edge of the tree: what the last shard is added to, from the root on.
    std::vector<Sums> earlier;
    while (last - first > 1) {
      const std::int64_t middle = first + (last - first) / 2;
      earlier.push_back(sum(first, middle, nullptr));
      first = middle;
    }
    set_running_statistics(network_, running_);
    ShardValues shard(network_, ex_);
    float* const values = shard.values.data();
    const Waiting waiting{over_ranks};
    const auto made = [&](std::int64_t at, std::int64_t count) {
      for (auto e = earlier.rbegin(); e != earlier.rend(); ++e) {
        kernels::add(ex_, count, e->values.data() + at, values + at, values + at);
      }
      if (over_ranks) over_ranks->add(count, values + at);
    };
    const kernels::Totals own = pass_(first, [&] { shard.take(false, made); });
    shard.take(true, made);
    present_ = shard.present;
    std::vector<double> totals = {own.loss, static_cast<double>(own.correct)};
    for (auto e = earlier.rbegin(); e != earlier.rend(); ++e) {
      for (std::size_t i = 0; i < totals.size(); ++i) totals[i] = e->totals[i] + totals[i];
    }
    if (over_ranks) over_ranks->finish();
    return {shard.values, totals};
  }

  // Which of the parameters the sums have something of.
  const std::vector<bool>& present() const { return present_; }

 private:
  Network& network_;
  const kernels::Exec& ex_;
  const Shards::Pass& pass_;
  std::vector<Tensor> running_;
  std::vector<bool> present_;
};

}  // namespace

Shards::Shards(std::int64_t shards, const kernels::Collective* ranks, const kernels::Exec& ex)
    : count_(shards), own_(shards), ranks_(ranks), ex_(ex) {
  const std::int64_t of = ranks ? ranks->ranks() : 1;
  require<ConfigError>(shards >= 1 && shards % of == 0,
                       "{} shards of a batch can't be dealt out equally to {} ranks", shards, of);
  own_ = shards / of;
  first_ = ranks ? ranks->rank() * own_ : 0;
  if (ranks) over_ranks_ = std::make_unique<RankSum>(*ranks, ex);
}

Shards::Shards(Shards&&) noexcept = default;
Shards::~Shards() = default;

kernels::Totals Shards::run(Network& network, const Pass& pass) const {
  Step step(network, ex_, pass);
  Sums sums = step.sum(first_, first_ + own_, over_ranks_.get());
  if (ranks_) ranks_->sum(std::span<double>(sums.totals));
  float* const values = sums.values.data();
  kernels::scale(ex_, sums.values.size(), 1.0f / static_cast<float>(count_), values, values);
  give_values(network, ex_, sums.values, step.present());
  return {.loss = sums.totals[0], .correct = static_cast<std::int64_t>(sums.totals[1])};
}

}  // namespace trifold::nn
