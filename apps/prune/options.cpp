#include "apps/prune/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include "kernels/runtime/error.h"
#include "kernels/runtime/instruction_set.h"
#include "map/families.h"

namespace trifold::apps {

std::int64_t parse_round_to(const std::string& text, Device device) {
  // A tensor core takes 8 filters at a time, which are 16 bytes of bfloat16, too.
  constexpr std::int64_t cuda_channels = 8;
  if (text == "auto") {
    return device.kind == DeviceKind::cuda
               ? cuda_channels
               : kernels::vector_lanes(kernels::active_instruction_set());
  }
  const char* const end = text.data() + text.size();
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  require<ConfigError>(error == std::errc{} && rest == end && value >= 1 && value <= 1024,
                       "--round-to is '{}'; give a number from 1 to 1024, or auto", text);
  return value;
}

std::vector<std::string> parse_patterns(const std::string& flag, const std::string& text,
                                        const std::vector<std::string>& groups) {
  std::vector<std::string> patterns;
  std::istringstream words(text);
  for (std::string pattern; std::getline(words, pattern, ',');) {
    const auto matches = [&](const std::string& group) { return pruning::matches(pattern, group); };
    require<ConfigError>(pattern == "*" || std::ranges::any_of(groups, matches),
                         "{}: '{}' matches no group of channels; the groups are {}", flag, pattern,
                         fmt::join(groups, ", "));
    patterns.push_back(pattern);
  }
  return patterns;
}

Target parse_target(const std::string& text, const std::string& cost) {
  struct Unit {
    const char* name;
    double factor;
    bool of_time;
  };
  static constexpr Unit units[] = {{"us", 1e-6, true}, {"ms", 1e-3, true}, {"s", 1.0, true},
                                   {"k", 1e3, false},  {"M", 1e6, false},  {"G", 1e9, false}};
  const char* const end = text.data() + text.size();
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string unit(rest, end);
  const bool speedup = unit == "x" || unit == "X";
  if (const auto* const found = std::ranges::find(units, unit, &Unit::name);
      error == std::errc{} && found != std::end(units)) {
    const bool is_counted = cost == "macs" || cost == "params";
    require<ConfigError>(found->of_time ? cost == "latency" : is_counted,
                         "--target is '{}', but the cost {} isn't {}; give a share such as 0.5, or "
                         "{}",
                         text, cost, found->of_time ? "a time" : "a number",
                         found->of_time ? "--cost latency" : "--cost macs or params");
    require<ConfigError>(value > 0 && std::isfinite(value),
                         "--target is '{}'; it has to be more than 0", text);
    return {value * found->factor, false};
  }
  const double ratio = speedup ? 1.0 / value : value;
  require<ConfigError>(
      error == std::errc{} && (unit.empty() || speedup) && ratio > 0 && ratio < 1,
      "--target is '{}'; give the cost that may remain, such as 0.5, how many times cheaper the "
      "network has to be, such as 2x, or an amount, such as 20M (macs, params) or 3.5ms (latency)",
      text);
  return {ratio, true};
}

double share_of(const Target& target, double original, const std::string& text) {
  require<ConfigError>(target.value < original,
                       "--target is '{}', but the original needs no more: {:.4g} of it already; "
                       "give less",
                       text, original / target.value);
  return target.value / original;
}

void check_epochs(const PruneOptions& o) {
  const auto epochs = static_cast<double>(std::min(o.round_epochs, o.finetune_epochs));
  require<ConfigError>(o.training.schedule.warmup_epochs < epochs,
                       "--warmup is {}; it has to be less than --round-epochs and "
                       "--finetune-epochs, {} and {}",
                       o.training.schedule.warmup_epochs, o.round_epochs, o.finetune_epochs);
  require<ConfigError>(
      !o.extrapolate || o.round_epochs >= 5,
      "--extrapolate follows learning curves of 5 epochs or more; --round-epochs is {}",
      o.round_epochs);
}

void check(const PruneOptions& o) {
  const auto require_range = [](const char* flag, double value, double low, double high) {
    require<ConfigError>(value >= low && value <= high, "{} is {}; it has to be between {} and {}",
                         flag, value, low, high);
  };
  require_range("--rounds", static_cast<double>(o.rounds), 1, 100);
  require_range("--round-epochs", static_cast<double>(o.round_epochs), 1, 1e6);
  require_range("--round-images", static_cast<double>(o.round_images), 0, 1e12);
  require_range("--sparsity-epochs", static_cast<double>(o.sparsity_epochs), 0, 1e6);
  require_range("--heal-epochs", static_cast<double>(o.heal_epochs), 0, 1e6);
  require_range("--off-axes", static_cast<double>(o.off_axes), 0, 100);
  require_range("--repeats", static_cast<double>(o.repeats), 0, 100);
  require_range("--finalists", static_cast<double>(o.finalists), 1, 10);
  require_range("--finetune-epochs", static_cast<double>(o.finetune_epochs), 1, 1e6);
  // The fine-tuning comes last: what it can't do is said before all else is done.
  constexpr double any = std::numeric_limits<double>::max();
  require_range("--round-lr", o.round_lr, 0, any);
  require_range("--finetune-lr", o.finetune_lr, 0, any);
  require_range("--teacher-weight", o.teacher_weight, 0, 1);
  require_range("--teacher-temperature", o.teacher_temperature, 0.1, 1000);
  require_range("--heal-lr", o.heal_lr, 0, any);
  require_range("--sparsity-lr", o.sparsity_lr, 0, any);
  require_range("--bn-l1", o.bn_l1, 0, any);
  if (o.budget_hours == 0) check_epochs(o);
  require_range("--budget", o.budget_hours, 0, 1e6);
  require_range("--probe-seeds", static_cast<double>(o.probe_seeds), 1, 1000);
  require_range("--max-drop", o.max_drop, 0, 100);
  require_range("--trade", o.trade, 0, 100);
  require_range("--latency-batch", static_cast<double>(o.latency_batch), 1, 1048576);
  require_range("--floor", o.floor, 0, 1);
  require_range("--resolution-step", static_cast<double>(o.resolution_step), 1, 1024);
  if (o.predictor != "auto") {
    std::vector<std::string> names = {"auto"};
    for (const map::PredictorFamily& family : map::predictor_families()) {
      names.push_back(family.name);
    }
    require<ConfigError>(std::ranges::find(names, o.predictor) != names.end(),
                         "--predictor is '{}'; it is one of {}", o.predictor,
                         fmt::join(names, ", "));
  }
  require_range("--bn-batches", static_cast<double>(o.bn_batches), 1, 1e6);
  require_range("--probe-images", static_cast<double>(o.probe_images), 100, 1e9);
  require<ConfigError>(o.prune_depth || o.prune_width || o.prune_resolution,
                       "--dimensions names none of depth, width and resolution");
}

nlohmann::json to_json(const PruneOptions& o) {
  const nn::TrainOptions& t = o.training;
  nlohmann::json target = o.target;
  if (!o.target_text.empty()) target = o.target_text;
  return {{"target", target},
          {"cost", o.cost},
          {"max_drop", o.max_drop},
          {"trade", o.trade},
          {"width_mode", o.width_mode == pruning::WidthMode::stream ? "stream" : "inner"},
          {"width_scope", o.width_by_group ? "group" : "global"},
          {"criterion", o.criterion},
          {"block_criterion", o.block_criterion},
          {"prune_depth", o.prune_depth},
          {"prune_width", o.prune_width},
          {"prune_resolution", o.prune_resolution},
          {"sparsity_epochs", o.sparsity_epochs},
          {"sparsity_lr", o.sparsity_lr},
          {"rounds", o.rounds},
          {"path", o.iterative ? "iterative" : "one-shot"},
          {"off_axes", o.off_axes},
          {"repeats", o.repeats},
          {"round_epochs", o.round_epochs},
          {"round_images", o.round_images},
          {"budget", o.budget_hours},
          {"finalists", o.finalists},
          {"heal_epochs", o.heal_epochs},
          {"heal_lr", o.heal_lr},
          {"finetune_epochs", o.finetune_epochs},
          {"teacher_weight", o.teacher_weight},
          {"teacher_temperature", o.teacher_temperature},
          {"round_lr", o.round_lr},
          {"finetune_lr", o.finetune_lr},
          {"bn_l1", o.bn_l1},
          {"held_out", o.held_out},
          {"held_out_from", o.held_out_from == HeldOut::train  ? "train"
                            : o.held_out_from == HeldOut::test ? "test"
                                                               : "validation"},
          {"round_to", o.round_to},
          {"floor", o.floor},
          {"include", o.include},
          {"exclude", o.exclude},
          {"resolution_step", o.resolution_step},
          {"predictor", o.predictor},
          {"bn_batches", o.bn_batches},
          {"probe_images", o.probe_images},
          {"probe_seeds", o.probe_seeds},
          {"extrapolate", o.extrapolate},
          {"reprobe", o.reprobe},
          {"batch", t.batch},
          {"momentum", t.momentum},
          {"nesterov", t.nesterov},
          {"weight_decay", t.weight_decay},
          {"label_smoothing", t.label_smoothing},
          {"ema", t.ema_decay},
          {"schedule", to_string(t.schedule.kind)},
          {"warmup_epochs", t.schedule.warmup_epochs},
          {"seed", t.seed},
          {"pad", t.augmentation ? t.augmentation->pad : -1},
          {"flip", t.augmentation && t.augmentation->flip}};
}

}  // namespace trifold::apps
