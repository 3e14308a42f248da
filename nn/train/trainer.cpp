#include "nn/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/trace.h"
#include "nn/finite.h"
#include "nn/train/network_input.h"

namespace trifold::nn {

namespace {

/// Batches after which a loss that is not finite is noticed at the latest.
constexpr std::int64_t check_every = 32;

void check_options(const TrainOptions& o) {
  const auto require_at_least = [](const char* name, double value, double low) {
    require<ConfigError>(std::isfinite(value) && value >= low, "{} is {}; it has to be at least {}",
                         name, value, low);
  };
  require_at_least("the number of epochs", static_cast<double>(o.epochs), 1);
  require_at_least("the batch", static_cast<double>(o.batch), 1);
  require_at_least("the learning rate", o.lr, 0);
  require_at_least("the weight decay", o.weight_decay, 0);
  require_at_least("the weight of the sparsity term", o.bn_l1, 0);
  require_at_least("the warm-up", o.schedule.warmup_epochs, 0);
  const auto require_fraction = [](const char* name, double value) {
    require<ConfigError>(value >= 0 && value < 1, "{} is {}; it has to be in [0, 1)", name, value);
  };
  require_fraction("the momentum", o.momentum);
  require_fraction("the label smoothing", o.label_smoothing);
  require_fraction("the decay of the average", o.ema_decay);
  require<ConfigError>(o.schedule.warmup_epochs < static_cast<double>(o.epochs),
                       "a warm-up of {} epochs leaves nothing of {}", o.schedule.warmup_epochs,
                       o.epochs);
}

std::optional<Shards> shards_of(const TrainOptions& o, const kernels::Exec& ex) {
  require<ConfigError>(o.shards > 0 || !o.ranks, "ranks share the shards of a batch; it has none");
  if (o.shards == 0) return std::nullopt;
  // The host forms the sums over them, in the midst of a step.
  require<ConfigError>(!o.graph, "a step over shards of a batch can't be captured as a graph");
  require<ConfigError>(!o.synchronised || (o.ranks && o.ranks->ranks() == o.shards),
                       "batch statistics of all {} shards take as many ranks", o.shards);
  return Shards(o.shards, o.ranks, ex);
}

LoaderOptions loader_options(const Dataset& data, const TrainOptions& o,
                             const std::optional<Shards>& shards) {
  // The last, smaller batch of an epoch would give its images more weight and its batch norms
  // noisier statistics than the others have.
  LoaderOptions options{.batch = std::min(o.batch, data.count),
                        .seed = o.seed,
                        .drop_last = true,
                        .augmentation = o.augmentation};
  if (shards) {
    options.shards = shards->count();
    options.first_shard = shards->first();
    options.own_shards = shards->own();
  }
  return options;
}

}  // namespace

Trainer::Trainer(Network& network, const Dataset& data, const Normalisation& normalisation,
                 InputSize size, const TrainOptions& options, const kernels::Exec& ex)
    : network_(network),
      executor_(network),
      data_(data),
      data_crc32_(checksum(data)),
      normalisation_(normalisation),
      size_(size),
      options_(options),
      ex_(ex),
      shards_((check_options(options), shards_of(options, ex))),
      loader_(data, normalisation, loader_options(data, options, shards_), ex),
      sgd_(network,
           {.momentum = options.momentum,
            .nesterov = options.nesterov,
            .weight_decay = options.weight_decay,
            .bn_l1 = options.bn_l1,
            .average = options.ema_decay > 0},
           ex),
      totals_(ex) {
  check_fits(network, data);
  if (std::ranges::any_of(network.graph().nodes, [](const Node& node) {
        return std::holds_alternative<Dropout>(node.op);
      })) {
    dropout_ = DropoutSource{options.seed, engine::Tensor::zeros({1}, ex.device)};
  }
  if (options.graph) graph_.emplace(ex.device);
  if (!options.teacher) return;
  const Teacher& teacher = *options.teacher;
  check(teacher, network);
  if (teacher.weight == 0) return;
  teacher_.emplace(*teacher.network);
  teacher_crc32_ = checksum(teacher);
  if (teacher.normalisation != normalisation) loader_.also_normalise(teacher.normalisation);
}

std::optional<EpochResult> Trainer::run_epoch(
    const std::function<bool(const Progress&)>& after_batch) {
  const auto start = std::chrono::steady_clock::now();
  require_equal_ranks();
  const std::int64_t batches = loader_.batches_per_epoch();
  double lr = 0;
  loader_.start(epoch_, batch_);
  const auto mean_loss = [&] { return finite_totals().loss / static_cast<double>(images_); };
  while (const std::optional<DeviceBatch> batch = loader_.next()) {
    const double position =
        static_cast<double>(epoch_) + static_cast<double>(batch_) / static_cast<double>(batches);
    lr = learning_rate(options_.schedule, options_.lr, position,
                       static_cast<double>(options_.epochs), 1.0 / static_cast<double>(batches));
    lr = std::ldexp(lr, -static_cast<int>(rate_halvings_));
    sgd_.set_learning_rate(lr);
    if (options_.ema_decay > 0) {
      sgd_.set_average_decay(average_decay(options_.ema_decay, epoch_ * batches + batch_));
    }
    if (shards_) {
      sharded_step(*batch);
    } else {
      set_dropout_step(epoch_ * batches + batch_);
      step(*batch);
    }
    images_ += batch->n * (shards_ ? shards_->count() : 1);
    ++batch_;
    // With shards the totals are on the host, and all ranks have to notice at the same batch.
    if (shards_ || batch_ % check_every == 0) finite_totals();
    const bool last = batch_ == batches;
    if (!after_batch({epoch_, batch_, batches, mean_loss}) && !last) return std::nullopt;
  }
  const kernels::Totals totals = finite_totals();
  require_finite_state();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const auto images = static_cast<double>(images_);
  ++epoch_;
  const EpochResult result{epoch_, totals.loss / images,
                           100.0 * static_cast<double>(totals.correct) / images, lr,
                           seconds.count()};
  batch_ = images_ = 0;
  totals_.set({});
  return result;
}

void Trainer::step(const DeviceBatch& batch) {
  const auto work = [&] {
    // A capture that failed leaves gradients behind that were never computed.
    for (Parameter& p : network_.parameters()) {
      if (is_trainable(p.role)) p.var.gradient->take();
    }
    engine::Tape tape(ex_);
    const engine::Var loss = forward(tape, batch);
    {
      const kernels::TraceRange range("backward");
      tape.backward(loss);
    }
    const kernels::TraceRange range("update");
    sgd_.step(network_);
  };
  // The batches lie in the same memory, and all are full.
  const kernels::TraceRange range("step");
  graph_ ? graph_->run(work) : work();
}

void Trainer::sharded_step(const DeviceBatch& first) {
  const kernels::TraceRange range("step");
  const std::int64_t step = epoch_ * loader_.batches_per_epoch() + batch_;
  const kernels::Totals before = totals_.read();
  const kernels::Totals sum =
      shards_->run(network_, [&](std::int64_t shard, const auto& progressed) {
        // A loader gives a batch's own shards in their order; the caller has fetched the first.
        const DeviceBatch batch = shard == shards_->first() ? first : loader_.next().value();
        set_dropout_step(step * shards_->count() + shard);
        totals_.set({});
        engine::Tape tape(ex_);
        // Synchronised batch norms have the ranks exchange by themselves in the backward pass.
        tape.backward(forward(tape, batch),
                      options_.synchronised ? std::function<void()>() : progressed);
        return totals_.read();
      });
  totals_.set({.loss = before.loss + sum.loss, .correct = before.correct + sum.correct});
  sgd_.step(network_);
}

void Trainer::set_dropout_step(std::int64_t step) {
  if (dropout_) kernels::fill(ex_, 1, static_cast<float>(step), dropout_->step.data());
}

engine::Var Trainer::forward(engine::Tape& tape, const DeviceBatch& batch) {
  const kernels::TraceRange range("forward");
  const auto smoothing = static_cast<float>(options_.label_smoothing);
  // The teacher comes first, for its memory is free again when the network needs most.
  const engine::Tensor teacher = teacher_logits(batch);
  ForwardMode mode = training;
  mode.dropout = dropout_ ? &*dropout_ : nullptr;
  if (options_.synchronised) {
    mode.synchronised = options_.ranks;
    mode.fused = false;
  }
  const engine::Var logits =
      executor_.forward(tape, network_input(ex_, batch.x, size_), mode).logits;
  engine::Var loss = teacher.defined()
                         ? engine::distillation_loss(tape, logits, batch.labels, smoothing, teacher,
                                                     {.weight = options_.teacher->weight,
                                                      .temperature = options_.teacher->temperature})
                         : engine::softmax_cross_entropy(tape, logits, batch.labels, smoothing);
  totals_.add(logits.value, batch.labels, loss.value);
  return loss;
}

engine::Tensor Trainer::teacher_logits(const DeviceBatch& batch) {
  if (!teacher_) return {};
  const kernels::TraceRange range("teacher");
  const engine::Tensor& images = batch.other.defined() ? batch.other : batch.x;
  return teacher_->forward(ex_, network_input(ex_, images, options_.teacher->size).value);
}

kernels::Totals Trainer::finite_totals() const {
  const kernels::Totals totals = totals_.read();
  require<DivergedError>(std::isfinite(totals.loss), "the loss became {} in epoch {}, by batch {}",
                         totals.loss, epoch_ + 1, batch_);
  return totals;
}

void Trainer::require_finite() const {
  finite_totals();
  require_finite_state();
}

void Trainer::require_finite_state() const {
  const auto where = [&] { return fmt::format("in epoch {}, by batch {}", epoch_ + 1, batch_); };
  try {
    nn::require_finite(network_);
  } catch (const DivergedError& e) {
    throw DivergedError(fmt::format("training diverged: {} {}", e.what(), where()));
  }
  for (const auto& [name, value] : sgd_.average()) {
    require<DivergedError>(!find_not_finite(value),
                           "training diverged: the average of '{}' holds a value that is not "
                           "finite {}",
                           name, where());
  }
}

Network Trainer::averaged() const {
  Network copy = network_.clone();
  for (const auto& [name, value] : sgd_.average()) copy.parameter(name).var.value = value.clone();
  return copy;
}

}  // namespace trifold::nn
