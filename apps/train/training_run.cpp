#include "apps/train/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/model_options.h"
#include "apps/cli/progress.h"
#include "apps/cli/run_folder.h"
#include "apps/cli/run_log.h"
#include "engine/json_text.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/class_names.h"
#include "nn/io/model_file.h"
#include "nn/train/evaluate.h"
#include "nn/train/network_input.h"

namespace trifold::apps {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* model_name = "model.safetensors";
constexpr const char* checkpoint_name = "checkpoint.safetensors";
constexpr std::chrono::minutes checkpoint_every{1};

// The model of --init, if there is one.
std::optional<nn::Model> load_init(const TrainSettings& s) {
  const std::optional<nn::Normalisation> normalisation = parse_normalisation(s.mean, s.std);
  if (s.init.empty()) {
    require<ConfigError>(!s.new_head && !normalisation,
                         "--new-head, --mean and --std change a model of --init; give one");
    return std::nullopt;
  }
  nn::ModelHints hints{.arch = {}, .normalisation = normalisation, .side = {}, .on_override = note};
  if (!s.arch.empty()) hints.arch = s.arch;
  if (s.resolution > 0) hints.side = s.resolution;
  if (!s.resize.empty()) hints.resize = nn::resize_filter(s.resize);
  return load_model(s.init, hints);
}

// The options that decide a part of a run's fingerprint.
std::string deciding_options(const std::string& key) {
  static const std::map<std::string, std::string> names = {
      {"network", "--arch or --init"},
      {"weight_decay", "--weight-decay"},
      {"bn_l1", "--bn-l1"},
      {"label_smoothing", "--label-smoothing"},
      {"ema_decay", "--ema"},
      {"warmup_epochs", "--warmup"},
      {"pad", "--pad and --augment"},
      {"flip", "--flip and --augment"},
      {"side", "--resolution and --image-side"},
      {"resize", "--resize"},
      {"streamed", "--stream, as on or off"},
      {"color_jitter", "--color-jitter and --augment"},
      {"mean", "--data and --init"},
      {"std", "--data and --init"},
      {"images", "--data and --held-out"},
      {"class_names", "--data"},
      {"data_crc32", "--data, with the same files and options of reading them"},
      {"shards", "--shards, or --ranks with --sync-statistics"},
      {"synchronised", "--sync-statistics"},
      {"teacher_crc32", "--teacher"},
      {"teacher_weight", "--teacher-weight"},
      {"teacher_temperature", "--teacher-temperature"}};
  const auto found = names.find(key);
  return found == names.end() ? "--" + key : found->second;
}

// The columns of summary.csv, each a number.
const std::vector<std::string> columns = {"epoch", "train_loss",    "train_top1",
                                          "lr",    "held_out_loss", "held_out_top1"};

// The rows of summary.csv of the run that `checkpoint` continues.
json restore(nn::Trainer& trainer, const std::filesystem::path& checkpoint) {
  try {
    const std::string where = checkpoint.string() + ": the checkpoint's epochs";
    json epochs = engine::parse_json(trainer.restore(checkpoint), where);
    const auto has_numbers = [](const json& row) {
      return row.is_object() && std::ranges::all_of(columns, [&](const std::string& column) {
               return row.contains(column) && row[column].is_number();
             });
    };
    require<FileError>(epochs.is_array() && std::ranges::all_of(epochs, has_numbers) &&
                           std::ssize(epochs) == trainer.epochs_done(),
                       "{}: they are damaged, or not those of {} epochs; start again with another "
                       "--out",
                       where, trainer.epochs_done());
    return epochs;
  } catch (const nn::OtherRunError& e) {
    throw ConfigError(
        fmt::format("{}; give the same {}, or another --out", e.what(), deciding_options(e.key)));
  }
}

double least_loss(const json& epochs, double untrained) {
  double least = untrained;
  for (const json& row : epochs) least = std::min(least, row.at("train_loss").get<double>());
  return least;
}

// Holds a model's file against the data.
void require_fits(const std::string& file, const nn::Model& model, const TrainSettings& s,
                  const nn::Dataset& train, const std::string& remedy) {
  require_fits_model(file, model.info, s.data.data, train, remedy);
  const std::int64_t classes = nn::infer_channels(model.network.graph()).back();
  require<ConfigError>(classes == train.classes, "{} tells {} classes apart, but {} has {}; {}",
                       file, classes, s.data.data, train.classes, remedy);
}

// The model of --teacher, if there is one.
std::optional<nn::Model> load_teacher(const TrainSettings& s, Device device) {
  if (s.teacher.empty()) {
    require<ConfigError>(
        !s.teacher_weight && !s.teacher_temperature,
        "--teacher-weight and --teacher-temperature say how to learn from a --teacher; give one");
    return std::nullopt;
  }
  try {
    return nn::load_model(s.teacher, {}, device);
  } catch (const ConfigError& e) {  // the flags that would mend it speak of the other network
    throw ConfigError(fmt::format(
        "--teacher needs a file that says in its metadata how to read it ({})", e.what()));
  }
}

// How the network learns from the teacher's model, which outlives the training.
nn::Teacher teacher_of(const TrainSettings& s, const nn::Model& model, const nn::Dataset& train) {
  require_fits(s.teacher, model, s, train, "give a --teacher that was trained on such classes");
  const std::int64_t channels = model.network.graph().input_channels();
  require<ConfigError>(
      channels == train.channels,
      "{} reads images of {} channels, those of {} have {}; give another --teacher", s.teacher,
      channels, s.data.data, train.channels);
  nn::Teacher teacher{.network = &model.network,
                      .size = model.info.input_size(),
                      .normalisation = model.info.normalisation};
  teacher.weight = s.teacher_weight.value_or(teacher.weight);
  teacher.temperature = s.teacher_temperature.value_or(teacher.temperature);
  return teacher;
}

// The network to train, with all that its file will say of it but what is done here.
nn::Model starting_model(const TrainSettings& s, std::optional<nn::Model> init,
                         const nn::Dataset& train, std::uint64_t seed) {
  if (init) {
    nn::Model model = *std::move(init);
    if (s.new_head) {
      note_other_side(s.init, model.info, s.data.data, train);
      nn::replace_head(model, train.classes, train.class_names, seed);
    } else {
      require_fits(s.init, model, s, train, "give --new-head to train a new last layer for these");
    }
    nn::check_fits(model.network, train);
    if (nn::counts_up(model.info.class_names)) model.info.class_names = train.class_names;
    model.info.data_side = train.height;
    return model;
  }
  require<ConfigError>(!s.arch.empty(), "give a network to train with --arch or --init");
  nn::Model model{nn::Network(nn::make_architecture(s.arch, train.channels, train.classes)), {}};
  nn::initialise(model.network, seed);
  model.info = {.arch = s.arch,
                .side = s.resolution > 0 ? s.resolution : train.height,
                .data_side = train.height,
                .normalisation = nn::measure_normalisation(train),
                .class_names = train.class_names,
                .original_channels = {}};
  if (!s.resize.empty()) model.info.resize = nn::resize_filter(s.resize);
  return model;
}

void require_side_fits(const nn::Model& model) {
  try {
    nn::infer_extents(model.network.graph(), model.info.side);
  } catch (const ShapeError& e) {
    throw ConfigError(
        fmt::format("images of {0}x{0} pixels don't fit {1} ({2}); give another "
                    "--resolution",
                    model.info.side, model.info.arch, e.what()));
  }
}

// A file's or a folder's own name. Where it lay concerns nobody who gets the model, which is the same
// from wherever its data was read.
std::string own_name(const std::string& path) {
  const std::filesystem::path found = std::filesystem::path(path).lexically_normal();
  return (found.has_filename() ? found : found.parent_path()).filename().string();
}

std::string data_name(const std::string& source) {
  const std::size_t folder = source.find(':') + 1;  // 0 where there is none
  return folder == 0 ? source : source.substr(0, folder) + own_name(source.substr(folder));
}

// What decided the result. Where it ran and on how many threads does not.
json provenance(const TrainSettings& s, const nn::TrainOptions& o, nn::InputSize size,
                std::int64_t held_out, std::int64_t rollbacks, const json& last_epoch) {
  json teacher;  // null without one
  if (o.teacher) {
    teacher = {{"file", own_name(s.teacher)},
               {"weight", o.teacher->weight},
               {"temperature", o.teacher->temperature},
               {"resolution", o.teacher->size.side}};
  }
  json made = {{"step", "train"},
               {"version", version()},
               {"data", data_name(s.data.data)},
               {"init", own_name(s.init)},
               {"new_head", s.new_head},
               {"teacher", teacher},
               {"epochs", o.epochs},
               {"batch", o.batch},
               {"lr", o.lr},
               {"schedule", nn::to_string(o.schedule.kind)},
               {"warmup", o.schedule.warmup_epochs},
               {"momentum", o.momentum},
               {"nesterov", o.nesterov},
               {"weight_decay", o.weight_decay},
               {"bn_l1", o.bn_l1},
               {"label_smoothing", o.label_smoothing},
               {"ema", o.ema_decay},
               {"pad", o.augmentation ? json(o.augmentation->pad) : json()},
               {"flip", o.augmentation && o.augmentation->flip},
               {"seed", o.seed},
               {"resolution", size.side},
               {"resize", nn::to_string(size.filter)},
               {"held_out", held_out},
               {"rollbacks", rollbacks},
               {"held_out_top1", last_epoch.at("held_out_top1")}};
  if (o.shards > 0) made["shards"] = o.shards;
  if (o.synchronised) made["synchronised"] = true;
  if (o.augmentation && o.augmentation->resized) made["crop"] = "resized";
  if (o.augmentation && o.augmentation->color.changes()) {
    made["color_jitter"] = o.augmentation->color.numbers();
  }
  return made;
}

std::int64_t shards_of(const TrainSettings& s, const Ranks& ranks) {
  constexpr std::int64_t shards = 4;  // so that 1, 2 and 4 ranks end with the same bits
  if (s.shards > 0 || ranks.count() == 1) return s.shards;
  if (s.synchronised) return ranks.count();
  return std::max<std::int64_t>(shards, ranks.count());
}

}  // namespace

std::optional<json> train(const TrainSettings& s, const kernels::Exec& ex, const StopSignal& stop,
                          const Ranks& ranks) {
  const auto start = Clock::now();
  std::optional<RunFolder> folder;  // of rank 0, which alone writes
  if (ranks.leads()) {
    folder.emplace(s.out);
    folder->require_free({checkpoint_name, model_name, "metrics.jsonl"}, s.resume);
  }
  std::optional<nn::Model> init = load_init(s);
  const std::optional<nn::Model> teacher = load_teacher(s, ex.device);
  const nn::Model* const known = init ? &*init : teacher ? &*teacher : nullptr;
  if (init) require_memory(s.init, *init);
  if (teacher) require_memory(s.teacher, *teacher);
  const nn::DataSplits data = s.data.load(known, nn::Splits::both, s.training.cuts_windows());
  nn::TrainOptions options = s.training.resolve(s.data.data, data.train);
  if (teacher) options.teacher = teacher_of(s, *teacher, data.train);
  options.shards = shards_of(s, ranks);
  options.ranks = ranks.group();
  require<ConfigError>(
      !s.synchronised || (ranks.count() > 1 && options.shards == ranks.count()),
      "--sync-statistics takes two or more --ranks, and as many --shards; leave out --shards");
  options.synchronised = s.synchronised;
  nn::Model model = starting_model(s, std::move(init), data.train, options.seed);
  require_side_fits(model);
  model.network = model.network.to(ex.device);
  if (!s.init.empty()) s.unfold.apply(s.init, model, data.train, ex, options.seed);
  const nn::InputSize size = model.info.input_size();
  const nn::HeldOutSplit split =
      nn::split_held_out(data.train, held_out_count(s.held_out, data.train.count), options.seed);
  nn::Trainer trainer(model.network, split.train, model.info.normalisation, size, options, ex);

  const std::filesystem::path checkpoint = s.out / checkpoint_name;
  json epochs = json::array();  // the rows of summary.csv, kept in the checkpoint
  if (s.resume && std::filesystem::exists(checkpoint)) {
    epochs = restore(trainer, checkpoint);
  }
  const RunLog log(s.out);
  if (folder) {
    folder->write_config(s.config);
    log.keep_through(trainer.epochs_done());
  }
  const Rollback rollback(s.divergence, s.out / "rollback.safetensors");
  const auto save_checkpoint = [&] {
    if (folder) {
      trainer.save(checkpoint, epochs.dump());
    } else {
      trainer.require_finite();  // as save() does, so that all ranks notice
    }
  };

  const std::int64_t batches = split.train.count / std::min(options.batch, split.train.count);
  ProgressBar bar(fmt::format("Training {}", model.info.arch), "batches", options.epochs * batches,
                  ranks.leads());
  auto saved = Clock::now();
  std::string said;  // of what keeps a step from being a graph
  // Trains for an epoch and records it; false after a stop in its midst.
  const auto train_epoch = [&] {
    const auto result = trainer.run_epoch([&](const nn::Progress& p) {
      bar.update(p.epoch * batches + p.batch, [&] { return fmt::format("loss {:.4f}", p.loss()); });
      if (const std::string obstacle = trainer.graph_obstacle(); obstacle != said) {
        bar.say("no CUDA graph: " + obstacle);
        said = obstacle;
      }
      if (ranks.any(p.batch < p.batches && Clock::now() - saved > checkpoint_every)) {
        save_checkpoint();
        saved = Clock::now();
      }
      return !ranks.any(stop.requested());
    });
    if (!result) {
      save_checkpoint();
      return false;
    }
    rollback.refuse_spike(*result,
                          least_loss(epochs, untrained_loss(split.train.classes, options)));
    const nn::Evaluation held_out =
        nn::evaluate(trainer.averaged(), split.held_out, model.info.normalisation, size, ex);
    json row = {{"epoch", result->epoch},         {"train_loss", result->loss},
                {"train_top1", result->top1},     {"lr", result->lr},
                {"held_out_loss", held_out.loss}, {"held_out_top1", held_out.top1()}};
    epochs.push_back(row);
    // The line comes before the checkpoint: a kill between the two leaves a line that the resumed
    // run drops, not a gap.
    row["seconds"] = result->seconds;
    if (folder) log.append(row);
    save_checkpoint();
    if (folder) {
      rollback.keep(trainer, epochs.dump());
      log.write_summary(columns, epochs);
    }
    saved = Clock::now();
    bar.say(fmt::format("epoch {}/{}  loss {:.4f}  train {:.2f} %  held out {:.2f} %",
                        result->epoch, options.epochs, result->loss, result->top1,
                        held_out.top1()));
    return true;
  };
  if (folder) rollback.begin(trainer, epochs.dump());
  while (!trainer.done()) {
    try {
      if (!train_epoch()) return std::nullopt;
    } catch (const DivergedError& e) {
      const std::string told = rollback.require_another(trainer, e);
      const std::int64_t halvings = trainer.rate_halvings() + 1;
      epochs = restore(trainer, rollback.file());
      trainer.halve_rate(halvings);
      ranks.any(false);  // all have read it before it is written again
      if (folder) log.keep_through(trainer.epochs_done());
      save_checkpoint();
      if (folder) rollback.keep(trainer, epochs.dump());
      bar.say(told);
    }
    if (ranks.any(stop.requested()) && !trainer.done()) return std::nullopt;
  }
  if (!folder) return json();
  rollback.end();

  model.network = trainer.averaged();
  const nn::Evaluation test =
      nn::evaluate(model.network, data.test, model.info.normalisation, size, ex);
  model.info.provenance.push_back(
      provenance(s, options, size, split.held_out.count, trainer.rate_halvings(), epochs.back()));
  nn::save_model(s.out / model_name, model);
  log.write_summary(columns, epochs);
  return json{{"model", (s.out / model_name).string()},
              {"arch", model.info.arch},
              {"epochs", options.epochs},
              {"rollbacks", trainer.rate_halvings()},
              {"held_out_top1", epochs.back().at("held_out_top1")},
              {"test_top1", test.top1()},
              {"test_loss", test.loss},
              {"seconds", std::chrono::duration<double>(Clock::now() - start).count()}};
}

}  // namespace trifold::apps
