/// What `train` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "apps/cli/options.h"
#include "apps/cli/rollback.h"
#include "apps/cli/stop_signal.h"
#include "apps/cli/unfold.h"
#include "apps/train/ranks.h"

namespace trifold::apps {

struct TrainSettings {
  std::string arch;       ///< a built-in network; may be empty where `init` is given
  std::string init;       ///< a model file to start from; "" starts from fresh values
  bool new_head = false;  ///< `init` gets a new last layer for the data's classes
  std::string mean, std;  ///< instead of those of `init`
  std::string teacher;    ///< a model file whose answers are learnt from, too; "": none
  std::optional<double> teacher_weight, teacher_temperature;  ///< else nn::Teacher's
  std::int64_t resolution = 0;  ///< 0: the init model's, else the data's
  std::string resize;           ///< "": the init model's, else antialias
  std::int64_t held_out = 0;    ///< 0: held_out_count
  bool synchronised = false;    ///< batch statistics of all ranks, each of which is a shard
  std::int64_t shards = 0;  ///< of a batch; 0: none, but for several ranks 4, or as many as they
  std::filesystem::path out = "runs/train";
  bool resume = false;
  std::string config;  ///< for config.toml
  DataOptions data;
  TrainingOptions training;
  DivergenceOptions divergence;
  UnfoldOption unfold;  ///< of `init`
};

/// Trains and writes model.safetensors, checkpoint.safetensors, metrics.jsonl, metrics.tfevents,
/// summary.csv and config.toml into the folder `out`. Returns the run's figures, or nothing if it was stopped: the
/// checkpoint then keeps the place. A run that was stopped or killed and goes on with `resume` ends
/// with the same model and the same summary.csv as one that was not, bit by bit. Of several ranks,
/// which all call this, rank 0 writes, and the others return no figures.
/// Errors    kernels::RankLostError: another rank is lost; the last checkpoint keeps the place.
///             ConfigError: settings that don't fit each other; a folder that holds a run, without
///           `resume`. DivergedError: rolled back often enough, or not to be; no model is written. WriteError: a file can't be
///           written. Error: another process works in the folder.
std::optional<nlohmann::json> train(const TrainSettings& settings, const kernels::Exec& ex,
                                    const StopSignal& stop, const Ranks& ranks);

}  // namespace trifold::apps
