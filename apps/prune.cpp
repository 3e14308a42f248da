/// Prunes a network in depth, width and resolution at once.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/message.h"
#include "apps/cli/model_options.h"
#include "apps/cli/options.h"
#include "apps/cli/profile.h"
#include "apps/cli/run_folder.h"
#include "apps/cli/stop_signal.h"
#include "apps/cli/unfold.h"
#include "apps/prune/baselines.h"
#include "apps/prune/budget.h"
#include "apps/prune/latency.h"
#include "apps/prune/old_journal.h"
#include "apps/prune/run.h"
#include "apps/prune/share.h"
#include "apps/prune/step_progress.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "map/families.h"
#include "nn/data/utf8.h"
#include "nn/train/network_input.h"
#include "pruning/cost_model.h"
#include "pruning/criterion.h"

namespace {

using namespace trifold;
using namespace trifold::apps;
namespace fs = std::filesystem;

struct Stage {
  const char* name;
  const char* help;
  void (*work)(PruneRun&);
};

constexpr Stage stages[] = {
    {"plan", "say what the space is and whether the target can be met", apps::plan},
    {"sparsify", "train the scales of the batch norms to tell channels apart", apps::sparsify},
    {"collect", "prune and fine-tune along each dimension", apps::collect},
    {"fit", "fit the accuracy predictor", apps::fit},
    {"solve", "find the best point within the budget", apps::solve},
    {"apply", "cut the network to that point", apps::apply},
    {"finetune", "train the cut network", apps::finetune},
    {"report", "write the report", apps::summarise},
    {"compare", "train other choices of the same cost by the same recipe (not part of run)",
     apps::compare},
    {"ablate",
     "say what other predictors, fewer points and fewer dimensions would choose (not part of run)",
     apps::ablate},
    {"rank",
     "train the structures of all data points by the recipe of the result, to see how well they "
     "are "
     "ordered (not part of run)",
     apps::rank},
};

// Stages that a run leaves out.
bool is_extra(const Stage& stage) {
  return stage.work == apps::compare || stage.work == apps::ablate || stage.work == apps::rank;
}

// Stages whose work processes can share.
bool is_shared(const Stage& stage) {
  return stage.work == apps::collect || stage.work == apps::compare;
}

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

struct Flags {
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

  void add_to(OptionSet& app) {
    PruneOptions& o = options;
    std::string names = "run (all of them)";
    for (const Stage& s : stages) names += fmt::format(", {}", s.name);
    app.add_option("stage", stage, "What to do: " + names)->required()->type_name("STAGE");
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
    app.add_option(
           "--latency-table", latency_table,
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
    app.add_option("--time-limit", minutes,
                   "Stops after a checkpoint when the time is up; 0: never")
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

  ComparisonOptions comparison() const {
    ComparisonOptions result{.methods = {}, .seeds = seeds};
    std::istringstream names(methods);
    for (std::string name; std::getline(names, name, ',');) {
      require<ConfigError>(
          std::ranges::find(baselines(), name, &Baseline::name) != baselines().end(),
          "--methods names '{}'; it takes {}", name, listed(baselines()));
      result.methods.push_back(name);
    }
    if (methods.empty()) {
      for (const Baseline& b : baselines()) result.methods.emplace_back(b.name);
    }
    return result;
  }

  nn::Dataset load_validation(const nn::Model& of) const {
    DataOptions source = data;
    source.data = validation;
    nn::Dataset images = source.load(&of, nn::Splits::test).test;
    require_fits_model(model.file, of.info, validation, images);
    nn::check_fits(of.network, images);
    return images;
  }

  PruneOptions resolved(const nn::Graph& graph, const nn::DataSplits& splits, Device on) const {
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
    o.held_out_from = is_second("--held-out-from", held_out_from, "train", "test") ? HeldOut::test
                                                                                   : HeldOut::train;
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
};

// Refuses what can't be shared.
void check_sharing(const Flags& flags) {
  require<ConfigError>(!flags.worker || flags.stage == "collect" || flags.stage == "compare",
                       "--worker is for the stages collect and compare, whose work is shared");
  require<ConfigError>(!flags.worker || flags.workers == 1,
                       "--worker joins others as one more; leave out --workers");
  require<ConfigError>(
      flags.options.cost != "latency" || (!flags.worker && flags.workers == 1),
      "--cost latency measures times, which processes that share the work would disturb; leave "
      "out --worker and --workers");
}

// Where a worker may join in: whoever holds the folder has planned the run.
void require_planned(const fs::path& folder) {
  require<ConfigError>(fs::exists(settings_file(folder)) && !has_old_journal(folder),
                       "{}: there is no planned run to join; run 'prune plan' on it first",
                       folder.string());
}

// `held` is the run's folder; a worker, which joins in the work of others, has none.
PruneRun open_run(Flags& flags, const RunFolder* held, const std::string& command_line,
                  const std::string& config, StepProgress& progress, const StopSignal& stop) {
  const fs::path folder = flags.out;
  if (flags.stage == "run") held->require_free({"journal.json"}, flags.resume);
  if (held == nullptr) require_planned(folder);
  const kernels::Exec ex = flags.device.exec();
  nn::Model model = flags.model.load(ex.device);
  require_memory(flags.model.file, model);
  nn::DataSplits data = flags.data.load(&model);
  require_fits_model(flags.model.file, model.info, flags.data.data, data.train);
  nn::check_fits(model.network, data.train);
  nn::check_fits(model.network, data.test);
  flags.unfold.apply(flags.model.file, model, data.train, ex, flags.training.values.seed);
  const PruneOptions options = flags.resolved(model.network.graph(), data, ex.device);
  nlohmann::json settings = to_json(options);
  if (measures_time(options)) settings["latency_batch"] = options.latency_batch;
  settings["model_crc32"] = crc32_of_file(flags.model.file);
  settings["arch"] = model.info.arch;
  settings["unfold"] = flags.unfold.wanted();
  settings["side"] = model.info.side;
  settings["resize"] = nn::to_string(model.info.resize);
  settings["data"] = data.train.name;
  settings["data_crc32"] = nn::checksum(data.train);
  if (options.held_out_from == HeldOut::test) settings["test_crc32"] = nn::checksum(data.test);
  nn::Dataset held_out;
  if (options.held_out_from == HeldOut::validation) {
    held_out = flags.load_validation(model);
    settings["validation_crc32"] = nn::checksum(held_out);
  } else {
    // What is left of the set that it is taken from trains, or gives the last figure.
    nn::Dataset& from = options.held_out_from == HeldOut::test ? data.test : data.train;
    nn::HeldOutSplit split = nn::split_held_out(from, options.held_out, options.training.seed);
    from = std::move(split.train);
    held_out = std::move(split.held_out);
  }
  if (held != nullptr) split_old_journal(folder);
  Journal record(folder, settings);
  if (held != nullptr) {
    held->write_config(config);
    for (const std::string& step : record.steps())
      remove_checkpoint(folder, step);  // left by a kill
  }
  nn::Network base = model.network.clone();
  PruneRun run{.options = options,
               .comparison = flags.comparison(),
               .divergence = flags.divergence,
               .folder = folder,
               .command_line = command_line,
               .original = std::move(model),
               .base = std::move(base),
               .train = std::move(data.train),
               .held_out = std::move(held_out),
               .test = std::move(data.test),
               .round_train = {},
               .ex = ex,
               .latency_table = flags.latency_table,
               .latency = nullptr,
               .writes_onnx = flags.onnx,
               .schedule = {},
               .journal = std::move(record),
               .leases = Leases(folder / "leases"),
               .workers = flags.workers,
               .is_worker = held == nullptr,
               .times = StageTimes(held != nullptr ? folder / "times.json" : fs::path()),
               .callbacks = {.say =
                                 [&progress](const std::string& line) {
                                   progress.finish();
                                   message(line + "\n");
                                 },
                             .tell =
                                 [&progress](const std::string& text) {
                                   progress.finish();
                                   fmt::print("{}", text);
                                 },
                             .after_batch =
                                 [&progress, &stop](const std::string& step, std::int64_t epochs,
                                                    const nn::Progress& p) {
                                   progress.show(step, p, epochs);
                                   return !stop.requested();
                                 },
                             .stop_requested = [&stop] { return stop.requested(); }}};
  run.base = load_base(run);
  return run;
}

int run(int argc, char** argv) {
  CommandLine line(
      "prune",
      "Prunes a trained network in depth, width and resolution at once: measures how accuracy "
      "falls "
      "along each dimension, fits a predictor, solves for the best point within the cost that may "
      "remain, cuts the network to it, fine-tunes it and writes a report.",
      {"prune run --model runs/train/model.safetensors --data fashion-mnist --target 0.5 --out "
       "runs/prune",
       "prune plan --model resnet20.safetensors --data cifar10:cifar-10-batches-bin --target 2x "
       "--out "
       "runs/prune",
       "prune run --out runs/prune --resume"});
  line.go_on_from("journal.json");
  Flags flags;
  flags.add_to(line.app());
  if (!line.parse(argc, argv)) return exit_ok;
  require<ConfigError>(
      flags.stage == "run" ||
          std::ranges::any_of(stages, [&](const Stage& s) { return flags.stage == s.name; }),
      "unknown stage '{}'; the stages are run, plan, sparsify, collect, fit, solve, apply, "
      "finetune, report, compare, ablate and rank",
      flags.stage);
  std::string command_line = "prune";
  for (int i = 1; i < argc; ++i) command_line += " " + nn::as_utf8(argv[i]);
  const StopSignal stop(flags.minutes);
  StepProgress progress;
  const std::string config = line.resolved();
  check_sharing(flags);
  std::optional<RunFolder> folder;
  if (!flags.worker) folder.emplace(flags.out);
  PruneRun pruning_run =
      open_run(flags, folder ? &*folder : nullptr, command_line, config, progress, stop);
  resolve_target(pruning_run);
  resolve_schedule(pruning_run);
  flags.profile.start();
  try {
    for (const Stage& stage : stages) {
      if (flags.stage == "run" ? is_extra(stage) : flags.stage != stage.name) continue;
      pruning_run.times.start(stage.name);
      if (pruning_run.workers > 1 && is_shared(stage)) {
        const std::vector<std::string> asked = {"--seeds", std::to_string(flags.seeds), "--methods",
                                                flags.methods};
        const int code = have_workers_do(pruning_run, stage.name, asked);
        if (code == exit_stopped) throw Stopped{};
        if (code != exit_ok) return code;
      }
      stage.work(pruning_run);
      if (pruning_run.latency) pruning_run.latency->save();
      pruning_run.times.save();
    }
    flags.profile.finish();
  } catch (const FileError& e) {
    // Of what the run itself has written, as long as its folder is there.
    require<engine::WriteError>(fs::exists(pruning_run.folder),
                                "{}: the run folder was removed while the run was at work ({})",
                                pruning_run.folder.string(), e.what());
    throw;
  } catch (const Stopped&) {
    pruning_run.times.save();
    progress.finish();
    flags.profile.finish();
    message("stopped after a checkpoint; run again with --resume to go on\n");
    return exit_stopped;
  }
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return run_app([&] { return run(argc, argv); });
}
