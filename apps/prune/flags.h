/// The command line of `prune`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/cli/model_options.h"
#include "apps/cli/options.h"
#include "apps/cli/profile.h"
#include "apps/cli/unfold.h"
#include "apps/prune/options.h"
#include "apps/prune/run.h"
#include "nn/data/dataset.h"
#include "nn/graph.h"

namespace trifold::apps {

/// What was said on the command line, in the environment and in the file of options, as it was said.
struct PruneFlags {
  std::string stage, out, target = "0.5", width = "stream", latency_table;
  std::string round_to = "auto", path = "one-shot", held_out_from = "train", include = "*", exclude;
  std::string methods, width_scope = "group", validation;
  std::int64_t seeds = 1;
  std::string dimensions = "depth,width,resolution";
  bool resume = false, onnx = false, worker = false;
  std::int64_t workers = 1;
  double minutes = 0;
  PruneOptions options;
  ModelOptions model;
  UnfoldOption unfold;
  DataOptions data;
  TrainingOptions training;
  DivergenceOptions divergence;
  DeviceOptions device;
  ProfileOption profile;

  /// Declares them all; --help names the stages.
  void add_to(OptionSet& app, const std::vector<std::string>& stages);

  /// What of `compare` was asked for.
  /// Errors    ConfigError: a choice that there isn't.
  ComparisonOptions comparison() const;

  /// The images that --validation names, held against the model.
  /// Errors    those of DataOptions::load(); ConfigError: they don't fit the model.
  nn::Dataset load_validation(const nn::Model& of) const;

  /// The options of a run on that network, data and device: names are looked up, and numbers that were
  /// left to the program are filled in.
  /// Errors    ConfigError naming the flag, what it has and what it takes.
  PruneOptions resolved(const nn::Graph& graph, const nn::DataSplits& splits, Device on) const;
};

}  // namespace trifold::apps
