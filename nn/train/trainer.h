/// Training by stochastic gradient descent, stoppable and resumable at any batch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/graph_capture.h"
#include "kernels/runtime/error_types.h"
#include "nn/data/device_loader.h"
#include "nn/data/normalisation.h"
#include "nn/execute/executor.h"
#include "nn/execute/folded_network.h"
#include "nn/network.h"
#include "nn/train/running_totals.h"
#include "nn/train/schedule.h"
#include "nn/train/sgd.h"
#include "nn/train/shards.h"
#include "nn/train/teacher.h"

namespace trifold::nn {

struct TrainOptions {
  std::int64_t epochs = 1;
  std::int64_t batch = 128;
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 1e-4;  ///< of convolution and linear weights, not of batch norms and biases
  double bn_l1 = 0;            ///< weight of sum |gamma| over the batch norms (Network Slimming)
  double label_smoothing = 0;
  double ema_decay = 0;  ///< at most (see average_decay), of an average of the parameters that is
                         ///< evaluated and kept; 0: none
  Schedule schedule;
  std::uint64_t seed = 0;
  std::optional<Augmentation> augmentation = Augmentation{};
  std::optional<Teacher> teacher = {};  ///< with a weight of 0 it is as good as none
  bool graph = false;  ///< captures a step as a graph of the device, and repeats it; same results
  std::int64_t shards = 0;  ///< of a batch, each with batch statistics of its own; 0: it is whole
  const kernels::Collective* ranks = nullptr;  ///< share the shards; they outlive the training
  bool synchronised = false;  ///< batch statistics of all shards, of which each rank has one
};

/// One epoch's figures.
struct EpochResult {
  std::int64_t epoch;  ///< counted from 1
  double loss;         ///< mean over the images, as trained on
  double top1;         ///< percent, as trained on
  double lr;           ///< at the end of the epoch
  double seconds;      ///< of this process; a resumed epoch counts only its rest
};

/// Where a run stands, reported after each batch.
struct Progress {
  std::int64_t epoch, batch, batches;
  /// The epoch's mean loss so far. Asks the device for it, which until then works on by itself.
  /// Errors    DivergedError: it is not finite.
  std::function<double()> loss;
};

/// A checkpoint is of another run.
class OtherRunError : public ConfigError {
 public:
  OtherRunError(const std::string& what, const std::string& text) : ConfigError(text), key(what) {}
  std::string key;  ///< what differs: "network", or an option as save() writes it, such as "lr"
};

/// Trains a network in place. Everything that decides what comes next is in the checkpoint: a run
/// that stops and resumes ends with the same bits as one that does not. Ranks that train together
/// make the same calls on a trainer each, with equal networks, data and options, and get the same
/// results; one that diverges does so on all.
class Trainer {
 public:
  /// `network` and `data` outlive the trainer. Images are resized to `size`.
  /// Errors    ConfigError: an option out of range, data or a teacher that does not fit the network,
  ///           a batch that can't be cut into the shards, ranks without shards, shards of a graph.
  Trainer(Network& network, const Dataset& data, const Normalisation& normalisation, InputSize size,
          const TrainOptions& options, const kernels::Exec& ex);

  bool done() const { return epoch_ == options_.epochs; }
  std::int64_t epochs_done() const { return epoch_; }
  bool has_started() const { return epoch_ > 0 || batch_ > 0; }

  /// From here on the rate is 2^-halvings of the schedule's. A checkpoint keeps the number.
  void halve_rate(std::int64_t halvings) { rate_halvings_ = halvings; }
  std::int64_t rate_halvings() const { return rate_halvings_; }

  /// Trains to the end of the current epoch. `after_batch` may return false to stop: the result is
  /// then empty, and save() keeps the place.
  /// Errors    DivergedError: a loss that is not finite, noticed a few batches later at the most, or
  ///           at the end of the epoch a parameter, running statistic or average; the network is then
  ///           unusable. RankLostError: so, too, where another rank is lost. ConfigError: ranks whose
  ///           networks, data, options or places in the training differ.
  std::optional<EpochResult> run_epoch(const std::function<bool(const Progress&)>& after_batch);

  /// The averaged parameters where ema_decay is set, else the network's own; running statistics are
  /// always the network's.
  Network averaged() const;

  /// Whether steps are repeated as a graph by now.
  bool repeats_graph() const { return graph_ && graph_->captured(); }
  /// Why the steps aren't repeated as a graph; empty where they are, or may yet be, or were not to.
  std::string graph_obstacle() const { return graph_ ? graph_->obstacle() : ""; }

  /// Errors    DivergedError: those of save(), for a rank that doesn't write.
  void require_finite() const;

  /// Writes the state of the run, with `note` (any text) kept beside it. Atomic.
  /// Errors    DivergedError: a loss, a parameter, a running statistic or an average that is not
  ///           finite; what was there stays. WriteError: the file can't be written.
  void save(const std::filesystem::path& path, const std::string& note = "") const;

  /// Goes on where save() stopped and returns its note.
  /// Errors    FileError: damage. OtherRunError naming the difference: a checkpoint of another
  ///           network or of other options.
  std::string restore(const std::filesystem::path& path);

 private:
  void step(const DeviceBatch& batch);
  void sharded_step(const DeviceBatch& first);
  void set_dropout_step(std::int64_t step);
  engine::Var forward(engine::Tape& tape, const DeviceBatch& batch);  // the mean loss
  engine::Tensor teacher_logits(const DeviceBatch& batch);            // undefined without one
  kernels::Totals finite_totals() const;
  void require_finite_state() const;
  std::string fingerprint() const;
  void require_equal_ranks() const;

  Network& network_;
  Executor executor_;
  const Dataset& data_;
  std::uint32_t data_crc32_;
  Normalisation normalisation_;
  InputSize size_;
  TrainOptions options_;
  kernels::Exec ex_;
  std::optional<Shards> shards_;
  DeviceLoader loader_;
  Sgd sgd_;
  std::optional<DropoutSource> dropout_;  // of a network that has any
  std::optional<FoldedNetwork> teacher_;
  std::uint32_t teacher_crc32_ = 0;
  std::optional<engine::GraphCapture> graph_;  // a step

  std::int64_t epoch_ = 0, batch_ = 0;  // the next batch to train on
  std::int64_t images_ = 0;             // of the epoch, up to there
  std::int64_t rate_halvings_ = 0;
  RunningTotals totals_;  // of these
};

}  // namespace trifold::nn
