/// Prunes a network in depth, width and resolution at once.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/message.h"
#include "apps/cli/run_folder.h"
#include "apps/cli/stop_signal.h"
#include "apps/prune/budget.h"
#include "apps/prune/flags.h"
#include "apps/prune/latency.h"
#include "apps/prune/old_journal.h"
#include "apps/prune/run.h"
#include "apps/prune/share.h"
#include "apps/prune/step_progress.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/data/utf8.h"
#include "nn/train/network_input.h"

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

// Refuses what can't be shared.
void check_sharing(const PruneFlags& flags) {
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
PruneRun open_run(PruneFlags& flags, const RunFolder* held, const std::string& command_line,
                  const std::string& config, StepProgress& progress, const StopSignal& stop) {
  const fs::path folder = flags.out;
  if (flags.stage == "run") held->require_free({"journal.json"}, flags.resume);
  if (held == nullptr) require_planned(folder);
  const kernels::Exec ex = flags.device.exec();
  nn::Model model = flags.model.load(ex.device);
  require_memory(flags.model.file, model);
  nn::DataSplits data = flags.data.load(&model, nn::Splits::both, flags.training.cuts_windows());
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
  if (data.train.streamed()) settings["streamed"] = true;
  if (flags.training.cuts_windows()) settings["crop"] = "resized";
  if (const auto& a = options.training.augmentation; a && a->color.changes()) {
    settings["color_jitter"] = a->color.numbers();
  }
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
  PruneFlags flags;
  std::vector<std::string> names;
  for (const Stage& s : stages) names.emplace_back(s.name);
  flags.add_to(line.app(), names);
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
