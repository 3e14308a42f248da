#include "apps/prune/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "apps/prune/baselines.h"
#include "apps/prune/latency.h"
#include "kernels/runtime/error.h"
#include "map/families.h"
#include "nn/train/network_input.h"
#include "pruning/channels.h"
#include "pruning/cost_model.h"
#include "pruning/criterion.h"

namespace trifold::apps {
namespace {

// "macs (counted multiply-accumulates), ..."
template <class Entry>
std::string listed(const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", entry.name, entry.help);
  }
  return text;
}

// "auto (...), monotone-rank1 (...), ..."
std::string predictor_help() {
  std::string text = "Accuracy predictor: auto (chosen by leave-one-out error)";
  for (const map::PredictorFamily& family : map::predictor_families()) {
    text += fmt::format(", {} ({})", family.name, family.description);
  }
  return text;
}

// Which of its two words a flag has.
bool is_second(const char* flag, const std::string& value, const char* first, const char* second) {
  require<ConfigError>(value == first || value == second, "{} is '{}'; it is {} or {}", flag, value,
                       first, second);
  return value == second;
}

}  // namespace

void PruneFlags::add_to(OptionSet& app, const std::vector<std::string>& stages) {
  PruneOptions& o = options;
  std::string names = "run";
  for (const std::string& s : stages) names += "," + s;
  app.add_option("stage", stage, "What to do; run is all of it from plan to report")
      ->required()
      ->type_name("STAGE:{" + names + "}");
  app.add_option("--model", model.file, "The network to prune")
      ->required()
      ->transform(absolute_path())
      ->type_name("FILE");
  data.add_to(app);
  app.add_option("--out", out, "Folder of the run")->required()->type_name("DIR");
  app.add_option("--target", target,
                 "Cost that may remain (0.5), how many times cheaper (2x), or an amount: 20M of "
                 "macs or params, 3.5ms of latency");
  app.add_option("--cost", o.cost, "What the target counts: " + listed(pruning::cost_models()));
  app.add_option("--max-drop", o.max_drop,
                 "Finds the cheapest network that is predicted to lose at most so many points of "
                 "accuracy; --target is then the least cost that is considered; 0: --target "
                 "decides")
      ->type_name("POINTS");
  app.add_option("--trade", o.trade,
                 "Predicted accuracy that may go for speed: of the candidates so close to the "
                 "best, the one is taken that is measured to be the fastest here")
      ->type_name("POINTS");
  app.add_option("--latency-batch", o.latency_batch,
                 "--cost latency, --trade: images that are worked at once")
      ->type_name("N");
  app.add_option("--latency-table", latency_table,
                 "--cost latency: a table of times that runs share, made where it is missing; the "
                 "run folder keeps what this run uses either way")
      ->transform(absolute_path())
      ->type_name("FILE");
  app.add_option("--criterion", o.criterion,
                 "Which channels stay, by: " + listed(pruning::channel_criteria()));
  app.add_option("--block-criterion", o.block_criterion,
                 "Which blocks stay, by: " + listed(pruning::block_criteria()));
  app.add_option("--width", width, "stream: all channels; inner: those inside the blocks");
  app.add_option("--width-scope", width_scope,
                 "global: one threshold for all channels; group: the same share of every group");
  app.add_option("--dimensions", dimensions, "Which of depth,width,resolution to prune")
      ->type_name("LIST");
  app.add_option("--sparsity-epochs", o.sparsity_epochs,
                 "Training with --bn-l1 before anything is cut; 0: none")
      ->type_name("N");
  app.add_option("--sparsity-lr", o.sparsity_lr, "Learning rate of that")->type_name("X");
  app.add_option("--path", path,
                 "one-shot: data points are cut from the network that the result is cut from; "
                 "iterative: each from the one before it, as in the paper");
  app.add_option("--rounds", o.rounds, "Data points along each dimension")->type_name("N");
  app.add_option("--off-axes", o.off_axes,
                 "Data points in several dimensions at once, where the optimum is least certain")
      ->type_name("N");
  app.add_option("--repeats", o.repeats,
                 "Further measurements of the first point, which show the noise")
      ->type_name("N");
  app.add_option("--round-epochs", o.round_epochs, "Fine-tuning of a data point")->type_name("N");
  app.add_option("--round-images", o.round_images,
                 "Training images of a data point's epoch; 0 is all")
      ->type_name("N");
  app.add_option("--budget", o.budget_hours,
                 "Time that the run may take; by the speed measured here it decides "
                 "--round-images, --round-epochs and --finetune-epochs; 0: they decide")
      ->type_name("HOURS");
  app.add_option("--finalists", o.finalists,
                 "Best networks that are trained like data points before one is chosen")
      ->type_name("N");
  app.add_option("--heal-epochs", o.heal_epochs,
                 "Training of the result at --heal-lr, before its fine-tuning")
      ->type_name("N");
  app.add_option("--heal-lr", o.heal_lr, "Learning rate of that")->type_name("X");
  app.add_option("--teacher-weight", o.teacher_weight,
                 "Share of the result's loss that follows the answers of --model, at its full "
                 "resolution; the labels have the rest")
      ->type_name("X");
  app.add_option("--teacher-temperature", o.teacher_temperature,
                 "Divides the logits there; a higher one makes the answers softer")
      ->type_name("X");
  app.add_option("--finetune-epochs", o.finetune_epochs, "Fine-tuning of the result")
      ->type_name("N");
  app.add_option("--round-lr", o.round_lr, "Learning rate of every data point")->type_name("X");
  app.add_option("--finetune-lr", o.finetune_lr, "Learning rate of the result")->type_name("X");
  app.add_option("--bn-l1", o.bn_l1,
                 "Weight of the sum of |gamma| in the sparsity training and in iterative width "
                 "rounds")
      ->type_name("X");
  app.add_option("--held-out", o.held_out,
                 "Images set aside for decisions; 0 is a tenth, at most 5,000")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->type_name("N");
  app.add_option("--held-out-from", held_out_from,
                 "train: they are training images; test: they are test images, which the last "
                 "figure then leaves out, for networks that were trained on all training images");
  app.add_option("--validation", validation,
                 "Images that decide instead of a held-out share: those that evaluate takes of "
                 "them, in the forms of --data")
      ->transform(absolute_data())
      ->type_name("DATA");
  app.add_option("--round-to", round_to,
                 "Channels stay in multiples of this; auto: of what the device computes at once")
      ->type_name("N");
  app.add_option("--include", include,
                 "Groups of channels that may be pruned, such as 'layer1.*,layer2.*'")
      ->type_name("LIST");
  app.add_option("--exclude", exclude, "Groups of channels that may not")->type_name("LIST");
  app.add_option("--floor", o.floor, "Least share of a group's channels that stays")
      ->type_name("X");
  app.add_option("--resolution-step", o.resolution_step, "Between the sides that are considered")
      ->type_name("PIXELS");
  app.add_option("--predictor", o.predictor, predictor_help());
  app.add_option("--bn-batches", o.bn_batches, "For re-estimating batch norms")->type_name("N");
  app.add_option("--probe-images", o.probe_images, "For judging blocks")->type_name("N");
  app.add_option("--probe-seeds", o.probe_seeds, "Judgements of each block; their mean counts")
      ->type_name("N");
  app.add_flag("--extrapolate", o.extrapolate,
               "Data points train at a constant rate, and count as what a power law of their "
               "epochs predicts after --finetune-epochs; takes --round-epochs 5 or more");
  app.add_flag("--reprobe", o.reprobe,
               "Judges the blocks that are left anew after each one that goes");
  app.add_option("--methods", methods,
                 "compare: which choices; all by default: " + listed(baselines()))
      ->type_name("LIST")
      ->configurable(false);
  app.add_option("--seeds", seeds, "compare: trainings of each choice")
      ->check(CLI::Range(1, 1000))
      ->type_name("N")
      ->configurable(false);
  app.add_option("--workers", workers,
                 "Processes on this machine that share the work of collect and compare, and the "
                 "--threads; plan then says how long collecting will take")
      ->check(CLI::Range(1, 1024))
      ->type_name("N")
      ->configurable(false);
  app.add_flag("--worker", worker,
               "collect, compare: joins in the work of a planned run, from any machine that sees "
               "the folder")
      ->configurable(false);
  app.add_flag("--onnx", onnx, "Writes the result as model.onnx, too")->configurable(false);
  app.add_flag("--resume", resume, "Goes on with the run in --out")->configurable(false);
  app.add_option("--time-limit", minutes, "Stops after a checkpoint when the time is up; 0: never")
      ->check(CLI::Range(0.0, 1e8))
      ->type_name("MINUTES")
      ->configurable(false);
  training.add_to(app);
  divergence.add_to(app);
  model.add_to(app);
  unfold.add_to(app);
  device.add_to(app);
  profile.add_to(app);
}

ComparisonOptions PruneFlags::comparison() const {
  ComparisonOptions result{.methods = {}, .seeds = seeds};
  std::istringstream names(methods);
  for (std::string name; std::getline(names, name, ',');) {
    require<ConfigError>(std::ranges::find(baselines(), name, &Baseline::name) != baselines().end(),
                         "--methods names '{}'; it takes {}", name, listed(baselines()));
    result.methods.push_back(name);
  }
  if (methods.empty()) {
    for (const Baseline& b : baselines()) result.methods.emplace_back(b.name);
  }
  return result;
}

nn::Dataset PruneFlags::load_validation(const nn::Model& of) const {
  DataOptions source = data;
  source.data = validation;
  nn::Dataset images = source.load(&of, nn::Splits::test).test;
  require_fits_model(model.file, of.info, validation, images);
  nn::check_fits(of.network, images);
  return images;
}

PruneOptions PruneFlags::resolved(const nn::Graph& graph, const nn::DataSplits& splits,
                                  Device on) const {
  const nn::Dataset& train = splits.train;
  PruneOptions o = options;
  o.training = training.resolve(data.data, train);
  pruning::cost_model(o.cost);  // refuses an unknown one
  const Target wanted = parse_target(target, o.cost);
  if (!wanted.is_share) o.target_text = target;
  o.target = wanted.value;
  o.width_mode = is_second("--width", width, "stream", "inner") ? pruning::WidthMode::inner
                                                                : pruning::WidthMode::stream;
  o.round_to = parse_round_to(round_to, on);
  o.iterative = is_second("--path", path, "one-shot", "iterative");
  o.width_by_group = is_second("--width-scope", width_scope, "global", "group");
  o.held_out_from =
      is_second("--held-out-from", held_out_from, "train", "test") ? HeldOut::test : HeldOut::train;
  if (!validation.empty()) {
    require<ConfigError>(o.held_out == 0 && o.held_out_from == HeldOut::train,
                         "--validation names images that decide, so that none are set aside: "
                         "leave out --held-out and --held-out-from");
    o.held_out_from = HeldOut::validation;
  }
  const bool without_norm = pruning::channel_criterion(o.criterion)->judges_without_norm();
  pruning::block_criterion(o.block_criterion);  // refuses an unknown one
  const std::vector<std::string> groups =
      pruning::find_units(graph, o.width_mode, without_norm).groups;
  o.include = parse_patterns("--include", include, groups);
  o.exclude = parse_patterns("--exclude", exclude, groups);
  o.prune_depth = o.prune_width = o.prune_resolution = false;
  std::istringstream names(dimensions);
  for (std::string name; std::getline(names, name, ',');) {
    bool* const dimension = name == "depth"        ? &o.prune_depth
                            : name == "width"      ? &o.prune_width
                            : name == "resolution" ? &o.prune_resolution
                                                   : nullptr;
    require<ConfigError>(dimension != nullptr,
                         "--dimensions names '{}'; it takes depth, width and resolution", name);
    *dimension = true;
  }
  require<ConfigError>(!o.prune_width || !groups.empty(),
                       "no batch norm scales the channels of {}, which is what --criterion {} "
                       "goes by: give --criterion l1, or leave width out of --dimensions",
                       model.file, o.criterion);
  if (o.held_out_from != HeldOut::validation) {
    const bool from_test = o.held_out_from == HeldOut::test;
    o.held_out = held_out_count(o.held_out, (from_test ? splits.test : train).count);
  }
  check(o);
  return o;
}

}  // namespace trifold::apps
