#include "apps/prune/options.h"

#include <charconv>
#include <cmath>

#include "kernels/error.h"

namespace trifold::apps {

CostKind cost_kind(const std::string& name) {
  for (CostKind kind : {CostKind::macs, CostKind::params, CostKind::paper}) {
    if (name == to_string(kind)) return kind;
  }
  throw ConfigError(
      fmt::format("unknown cost model '{}'; the cost models are macs, params and paper", name));
}

std::string to_string(CostKind kind) {
  switch (kind) {
    case CostKind::macs:
      return "macs";
    case CostKind::params:
      return "params";
    case CostKind::paper:
      return "paper";
  }
  throw ConfigError("an unknown cost model");
}

double parse_target(const std::string& text) {
  const bool speedup = text.ends_with('x') || text.ends_with('X');
  const char* const end = text.data() + text.size() - (speedup ? 1 : 0);
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const double ratio = speedup ? 1.0 / value : value;
  require<ConfigError>(
      error == std::errc{} && rest == end && ratio > 0 && ratio < 1,
      "--target is '{}'; give the cost that may remain, such as 0.5, or how many times "
      "cheaper the network has to be, such as 2x",
      text);
  return ratio;
}

void check(const PruneOptions& o) {
  const auto require_range = [](const char* flag, double value, double low, double high) {
    require<ConfigError>(value >= low && value <= high, "{} is {}; it has to be between {} and {}",
                         flag, value, low, high);
  };
  require_range("--rounds", static_cast<double>(o.rounds), 1, 100);
  require_range("--round-epochs", static_cast<double>(o.round_epochs), 1, 1e6);
  require_range("--round-images", static_cast<double>(o.round_images), 0, 1e12);
  require_range("--finetune-epochs", static_cast<double>(o.finetune_epochs), 1, 1e6);
  require_range("--round-to", static_cast<double>(o.round_to), 1, 1024);
  require_range("--floor", o.floor, 0, 1);
  require_range("--resolution-step", static_cast<double>(o.resolution_step), 1, 1024);
  require_range("--degree", static_cast<double>(o.degree), 1, 8);
  require_range("--rank", static_cast<double>(o.rank), 1, 8);
  require_range("--bn-batches", static_cast<double>(o.bn_batches), 1, 1e6);
  require_range("--probe-images", static_cast<double>(o.probe_images), 100, 1e9);
  require<ConfigError>(o.prune_depth || o.prune_width || o.prune_resolution,
                       "--dimensions names none of depth, width and resolution");
}

nlohmann::json to_json(const PruneOptions& o) {
  const nn::TrainOptions& t = o.training;
  return {{"target", o.target},
          {"cost", to_string(o.cost)},
          {"width_mode", o.width_mode == pruning::WidthMode::stream ? "stream" : "inner"},
          {"prune_depth", o.prune_depth},
          {"prune_width", o.prune_width},
          {"prune_resolution", o.prune_resolution},
          {"rounds", o.rounds},
          {"round_epochs", o.round_epochs},
          {"round_images", o.round_images},
          {"finetune_epochs", o.finetune_epochs},
          {"round_lr", o.round_lr},
          {"finetune_lr", o.finetune_lr},
          {"bn_l1", o.bn_l1},
          {"held_out", o.held_out},
          {"round_to", o.round_to},
          {"floor", o.floor},
          {"resolution_step", o.resolution_step},
          {"degree", o.degree},
          {"rank", o.rank},
          {"bn_batches", o.bn_batches},
          {"probe_images", o.probe_images},
          {"batch", t.batch},
          {"momentum", t.momentum},
          {"nesterov", t.nesterov},
          {"weight_decay", t.weight_decay},
          {"label_smoothing", t.label_smoothing},
          {"schedule", to_string(t.schedule.kind)},
          {"warmup_epochs", t.schedule.warmup_epochs},
          {"seed", t.seed},
          {"pad", t.augmentation ? t.augmentation->pad : -1},
          {"flip", t.augmentation && t.augmentation->flip}};
}

}  // namespace trifold::apps
