/// Prunes a network in depth, width and resolution at once.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "apps/cli/app.h"
#include "apps/cli/toml_config.h"
#include "apps/prune/run.h"
#include "engine/file_io.h"
#include "kernels/error.h"
#include "nn/data/source.h"
#include "nn/train/evaluate.h"

namespace {

using namespace trifold;
using namespace trifold::apps;

constexpr const char* description = R"(Examples:
  prune run --model runs/train/model.safetensors --data fashion-mnist --target 0.5 --out runs/prune
  prune plan --model resnet20.safetensors --data cifar10:DIR --target 2x --out runs/prune
  prune run --model resnet20.safetensors --data cifar10:DIR --target 0.5 --out runs/prune --resume

Prunes a trained network in depth, width and resolution at once: it measures how accuracy falls along
each dimension, fits a predictor, solves for the best point within the cost that may remain, cuts the
network to it, fine-tunes it and writes a report. The stages can also be run one by one, in the order
plan, collect, fit, solve, apply, finetune, report; each goes on in the folder --out.)";

struct Flags {
  std::string model, data, out, target = "0.5", cost = "macs", width = "stream";
  std::vector<std::string> dimensions = {"depth", "width", "resolution"};
  bool resume = false;
  PruneOptions options;
  TrainingFlags training;
  PlainFileOptions plain;
  DeviceOptions device;
  StopRequest stop;

  void add_to(CLI::App& app) {
    PruneOptions& o = options;
    app.add_option("--model", model, "model file to prune")->required();
    app.add_option("--data", data,
                   "fashion-mnist, cifar10:DIR, cifar100:DIR, idx:DIR or folder:DIR")
        ->required();
    app.add_option("--out", out, "run folder")->required();
    app.add_option("--target", target, "cost that may remain (0.5) or how many times cheaper (2x)")
        ->capture_default_str();
    app.add_option("--cost", cost, "macs, params or paper (d w^2 r^2)")->capture_default_str();
    app.add_option("--width", width, "stream: all channels; inner: those inside the blocks")
        ->capture_default_str();
    app.add_option("--dimensions", dimensions, "which of depth, width, resolution to prune")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--rounds", o.rounds, "data points along each dimension")->capture_default_str();
    app.add_option("--round-epochs", o.round_epochs, "fine-tuning of a data point")
        ->capture_default_str();
    app.add_option("--finetune-epochs", o.finetune_epochs, "fine-tuning of the result")
        ->capture_default_str();
    app.add_option("--round-lr", o.round_lr, "learning rate of every data point")
        ->capture_default_str();
    app.add_option("--finetune-lr", o.finetune_lr, "learning rate of the result")
        ->capture_default_str();
    app.add_option("--bn-l1", o.bn_l1, "sparsity term of the width rounds")->capture_default_str();
    app.add_option("--held-out", o.held_out,
                   "training images set aside for decisions; 0: a tenth, at most 5,000")
        ->capture_default_str();
    app.add_option("--round-to", o.round_to, "channels stay in multiples of this")
        ->capture_default_str();
    app.add_option("--floor", o.floor, "least share of a group's channels that stays")
        ->capture_default_str();
    app.add_option("--resolution-step", o.resolution_step, "pixels between considered sides")
        ->capture_default_str();
    app.add_option("--degree", o.degree, "of the accuracy predictor")->capture_default_str();
    app.add_option("--rank", o.rank, "of the accuracy predictor")->capture_default_str();
    app.add_option("--bn-batches", o.bn_batches, "for re-estimating batch norms")
        ->capture_default_str();
    app.add_option("--probe-images", o.probe_images, "for judging blocks")->capture_default_str();
    app.add_flag("--resume", resume, "go on with the run in --out");
    training.add_to(app);
    plain.add_to(app);
    device.add_to(app);
    stop.add_to(app);
  }

  PruneOptions resolved(const nn::Dataset& train) const {
    PruneOptions o = options;
    o.training = training.resolved();
    o.target = parse_target(target);
    o.cost = cost_kind(cost);
    require<ConfigError>(width == "stream" || width == "inner",
                         "--width is '{}'; it is stream or inner", width);
    o.width_mode = width == "stream" ? pruning::WidthMode::stream : pruning::WidthMode::inner;
    for (const std::string& d : dimensions) {
      require<ConfigError>(d == "depth" || d == "width" || d == "resolution",
                           "--dimensions names '{}'; it takes depth, width and resolution", d);
    }
    const auto names = [&](const char* d) { return std::ranges::count(dimensions, d) > 0; };
    o.prune_depth = names("depth");
    o.prune_width = names("width");
    o.prune_resolution = names("resolution");
    if (o.held_out == 0) o.held_out = std::min<std::int64_t>(train.count / 10, 5000);
    check(o);
    return o;
  }
};

struct Stage {
  const char* name;
  const char* help;
  void (*work)(PruneRun&);
};

constexpr Stage stages[] = {
    {"plan", "say what the space is and whether the target can be met", apps::plan},
    {"collect", "prune and fine-tune along each dimension", apps::collect},
    {"fit", "fit the accuracy predictor", apps::fit},
    {"solve", "find the best point within the budget", apps::solve},
    {"apply", "cut the network to that point", apps::apply},
    {"finetune", "train the cut network", apps::finetune},
    {"report", "write the report", apps::summarise},
};

PruneRun open_run(Flags& flags, const std::string& command_line, const CLI::App& stage,
                  ProgressLine& progress) {
  const std::filesystem::path folder = flags.out;
  const std::filesystem::path journal = folder / "journal.json";
  const bool whole = stage.get_name() == "run";
  require<ConfigError>(flags.resume || !whole || !std::filesystem::exists(journal),
                       "{} already holds a run; give --resume to go on with it, or another --out",
                       folder.string());
  nn::Model model = nn::load_model(flags.model, flags.plain.hints());
  const nn::LoadOptions load{.image_folder = {.side = model.info.data_side}};
  nn::DataSplits data = nn::load_data(flags.data, load);
  nn::check_fits(model.network, data.train);
  nn::check_fits(model.network, data.test);
  const PruneOptions options = flags.resolved(data.train);
  nn::HeldOutSplit split = nn::split_held_out(data.train, options.held_out, options.training.seed);

  nlohmann::json settings = to_json(options);
  settings["model"] = std::filesystem::path(flags.model).filename().string();
  settings["arch"] = model.info.arch;
  settings["data"] = flags.data;
  std::filesystem::create_directories(folder);
  engine::write_file_atomically(folder / "config.toml",
                                TomlConfig(stage).to_config(&stage, true, false, ""));
  return {.options = options,
          .folder = folder,
          .command_line = command_line,
          .original = std::move(model),
          .train = std::move(split.train),
          .held_out = std::move(split.held_out),
          .test = std::move(data.test),
          .ex = flags.device.exec(),
          .journal = Journal(journal, settings),
          .callbacks = {.say =
                            [&progress](const std::string& line) {
                              progress.finish();
                              fmt::print(stderr, "{}\n", line);
                            },
                        .tell =
                            [&progress](const std::string& text) {
                              progress.finish();
                              fmt::print("{}", text);
                            },
                        .after_batch =
                            [&progress, &flags](const std::string& step, const nn::Progress& p) {
                              progress.show(fmt::format("{} epoch {}", step, p.epoch + 1), p.batch,
                                            p.batches, fmt::format("loss {:.4f}", p.loss));
                              return !flags.stop.requested();
                            }}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{description, "prune"};
  app.require_subcommand(1);
  Flags flags;
  std::vector<CLI::App*> commands;
  CLI::App* whole = app.add_subcommand("run", "all stages, one after the other");
  commands.push_back(whole);
  for (const Stage& stage : stages) commands.push_back(app.add_subcommand(stage.name, stage.help));
  for (CLI::App* command : commands) {
    flags.add_to(*command);
    command->set_config("--config", "", "TOML file with flags as keys")->configurable(false);
    command->config_formatter(std::make_shared<TomlConfig>(*command));
  }
  return run_app(app, argc, argv, [&] {
    const CLI::App* command = app.get_subcommands().front();
    std::string command_line = "prune";
    for (int i = 1; i < argc; ++i) command_line += fmt::format(" {}", argv[i]);
    ProgressLine progress;
    PruneRun run = open_run(flags, command_line, *command, progress);
    try {
      for (const Stage& stage : stages) {
        if (command == whole || command->get_name() == stage.name) stage.work(run);
      }
    } catch (const Stopped&) {
      progress.finish();
      fmt::print(stderr, "stopped after a checkpoint; the same command with --resume goes on\n");
      return Exit::stopped;
    }
    progress.finish();
    return Exit::ok;
  });
}
