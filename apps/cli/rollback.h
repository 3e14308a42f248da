/// Going on where a training diverges: from its last epoch's end, at half the rate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "apps/cli/option_set.h"
#include "nn/train/trainer.h"

namespace trifold::apps {

/// --on-divergence and --rollbacks. They don't tell a run from another one: until something diverges,
/// they change nothing, and a run that has stopped may go on with others.
struct DivergenceOptions {
  std::string action = "stop";
  std::int64_t rollbacks = 3;  ///< of one training, at most

  void add_to(OptionSet& app);
  bool rolls_back() const { return action == "rollback"; }
};

/// The loss of a network that knows nothing: before the first epoch, nothing else tells a spike. Infinite
/// where a teacher adds to the loss, on a scale of its own.
double untrained_loss(std::int64_t classes, const nn::TrainOptions& options);

/// The place that a training rolls back to: a checkpoint beside its own, which has passed it by.
/// Since it lies at the end of an epoch, where a rolled back run ends doesn't depend on when it was
/// interrupted. Where nothing is to be rolled back, every member but require_another() does nothing.
class Rollback {
 public:
  Rollback(const DivergenceOptions& options, std::filesystem::path file);

  const std::filesystem::path& file() const { return file_; }

  /// Before the first epoch of this process: keeps the place, unless one is kept that the training,
  /// which goes on, has passed.
  void begin(const nn::Trainer& trainer, const std::string& note) const;
  /// After each epoch, and after a rollback: keeps the place.
  void keep(const nn::Trainer& trainer, const std::string& note) const;
  /// Removes the file.
  void end() const;

  /// Errors    DivergedError: an epoch's loss is a spike: more than 1 over twice the `best` before it, of
  ///           the epochs and untrained_loss().
  void refuse_spike(const nn::EpochResult& epoch, double best) const;

  /// Throws what happened unless the training may be rolled back once more; then tells of it in a line.
  std::string require_another(const nn::Trainer& trainer, const DivergedError& what) const;

 private:
  DivergenceOptions options_;
  std::filesystem::path file_;
};

}  // namespace trifold::apps
