/// What a pruning run is asked to do.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/runtime/device.h"
#include "nn/train/trainer.h"
#include "pruning/width.h"

namespace trifold::apps {

/// "8", or "auto": as many channels as the device computes at once, so that a layer of fewer would
/// take as long.
/// Errors    ConfigError: neither a number from 1 to 1024 nor "auto".
std::int64_t parse_round_to(const std::string& text, Device device);

/// "a*,b" as its patterns.
/// Errors    ConfigError naming `flag` and the groups there are: a pattern that matches none of
///           them.
std::vector<std::string> parse_patterns(const std::string& flag, const std::string& text,
                                        const std::vector<std::string>& groups);

/// What may remain: a share of the original's cost, or an amount of it.
struct Target {
  double value;
  bool is_share;  ///< else it is a number of what the cost counts, or seconds
};

/// "0.5" keeps half of the cost, "2x" is twice as cheap: both give 0.5. Amounts are "20M" or "1.5G"
/// of what `cost` counts, macs or params, and "3.5ms" or "900us" of latency.
/// Errors    ConfigError: not a number, a share not in (0, 1), a unit that doesn't fit the cost.
Target parse_target(const std::string& text, const std::string& cost);

/// An amount as a share of what the original costs.
/// Errors    ConfigError naming both: the original costs no more.
double share_of(const Target& target, double original, const std::string& text);

/// Where the images that decide come from.
enum class HeldOut {
  train,      ///< set aside from the training images
  test,       ///< set aside from the test images
  validation  ///< a set of their own
};

struct PruneOptions {
  double target = 0.5;        ///< cost that may remain, a fraction of the original's
  std::string cost = "macs";  ///< of pruning::cost_models()
  std::string target_text;    ///< an amount as it was given, such as "20M"; empty: a share was
  double max_drop = 0;        ///< predicted loss, in points, that decides instead of the target,
                              ///< which is then the least cost; 0: the target decides
  double trade = 0;  ///< points of predicted accuracy that may go for a shorter measured time
  std::int64_t latency_batch = 1;  ///< images that the cost latency is the time of
  pruning::WidthMode width_mode = pruning::WidthMode::stream;
  bool width_by_group = true;  ///< the same share of every group instead of one threshold for all
  std::string criterion = "bn-scale";     ///< of pruning::channel_criteria()
  std::string block_criterion = "probe";  ///< of pruning::block_criteria()
  bool prune_depth = true, prune_width = true, prune_resolution = true;
  std::int64_t sparsity_epochs = 0;  ///< with bn_l1, once, before anything is cut
  double sparsity_lr = 0.01;
  std::int64_t rounds = 4;  ///< points along each dimension
  bool iterative = false;   ///< a point is cut from the one before it, as in the paper, instead of
                            ///< from the network that the result is cut from, too
  std::int64_t off_axes = 0;  ///< points in several dimensions at once
  std::int64_t repeats = 0;   ///< of the first point, with other seeds, to see the noise
  std::int64_t round_epochs = 1;
  std::int64_t round_images = 0;  ///< training images of a round's epoch; 0: all
  bool extrapolate = false;       ///< points count as what their learning curves lead to
  double budget_hours = 0;        ///< decides the three of results.h's Schedule; 0: they are given
  std::int64_t finalists = 1;     ///< candidates that are trained like points before one is chosen
  std::int64_t heal_epochs = 1;   ///< at heal_lr, between the final cut and the fine-tuning
  double heal_lr = 0.02;
  std::int64_t finetune_epochs = 10;
  double teacher_weight = 0;  ///< of the original's answers in the training of the result
  double teacher_temperature = 4;
  double round_lr = 0.02;  ///< of every round, one schedule for all
  double finetune_lr = 0.05;
  double bn_l1 = 1e-5;  ///< sparsity term of the sparsity training, and of iterative width rounds
  std::int64_t held_out = 0;  ///< images for decisions; 0: a tenth of the set that they are taken
                              ///< from, at most 5,000
  HeldOut held_out_from = HeldOut::train;
  std::int64_t round_to = 1;  ///< channels of a group are kept in multiples of this
  double floor = 0.1;         ///< least fraction of a group's channels that stays
  std::vector<std::string> include = {"*"}, exclude = {};  ///< groups of channels, by patterns
  std::int64_t resolution_step = 2;  ///< pixels between the sides that are considered
  std::string predictor = "auto";    ///< of map::predictor_families(); auto: chosen by error
  std::int64_t bn_batches = 20;      ///< for re-estimating batch norm statistics
  std::int64_t probe_images = 10000;
  std::int64_t probe_seeds = 1;  ///< whose mean judges the blocks
  bool reprobe = false;          ///< judges the rest anew after each block that goes
  nn::TrainOptions training;     ///< batch, momentum, weight decay, augmentation, schedule, seed
};

/// Whether anything in the run is decided by measured time.
inline bool measures_time(const PruneOptions& options) {
  return options.cost == "latency" || options.trade > 0;
}

/// Errors    ConfigError naming the option: a value out of range.
void check(const PruneOptions& options);

/// Whether there are enough epochs for the options that need them: a part of check() but where
/// --budget decides their number.
/// Errors    ConfigError naming both.
void check_epochs(const PruneOptions& options);

/// All that decides the result, for the journal.
nlohmann::json to_json(const PruneOptions& options);

}  // namespace trifold::apps
