#include <algorithm>
#include <chrono>

#include "apps/prune/latency.h"
#include "apps/prune/run.h"
#include "engine/json_text.h"
#include "engine/safetensors.h"
#include "kernels/runtime/error.h"
#include "nn/io/model_file.h"
#include "nn/train/evaluate.h"
#include "nn/train/reestimate.h"
#include "pruning/criterion.h"

namespace trifold::apps {

using nlohmann::json;

namespace {

std::filesystem::path network_file(const PruneRun& run, const std::string& step) {
  return run.folder / "points" / (file_stem(step) + ".safetensors");
}

double least_loss(const std::vector<EpochRecord>& curve, double untrained) {
  double least = untrained;
  for (const EpochRecord& epoch : curve) least = std::min(least, epoch.loss);
  return least;
}

// Goes on from a checkpoint where it is the step's, and returns the curve up to there. The checkpoint's
// note is the curve, under the name of the step that it belongs to.
std::vector<EpochRecord> restore(nn::Trainer& trainer, const std::filesystem::path& checkpoint,
                                 const std::string& step) {
  if (!std::filesystem::exists(checkpoint)) return {};
  const std::string where = checkpoint.string() + ": the checkpoint's note";
  try {
    const engine::SafetensorsFile file = engine::read_safetensors(checkpoint);
    const auto position = file.metadata.find("trifold.position");
    require<FileError>(position != file.metadata.end(), "{} is missing", where);
    const json note = engine::parse_json(
        engine::parse_json(position->second, where).at("note").get<std::string>(), where);
    if (note.at("step").get<std::string>() != step) return {};
    trainer.restore(checkpoint);
    auto curve = note.at("curve").get<std::vector<EpochRecord>>();
    require<FileError>(std::ssize(curve) == trainer.epochs_done(), "{} tells of {} epochs, not {}",
                       where, curve.size(), trainer.epochs_done());
    return curve;
  } catch (const json::exception& e) {
    throw FileError(fmt::format("{}: {}; remove the file, and the step '{}' starts again", where,
                                engine::problem(e), step));
  } catch (const FileError& e) {
    throw FileError(
        fmt::format("{}; remove the file, and the step '{}' starts again", e.what(), step));
  }
}

}  // namespace

nn::InputSize input_size(const PruneRun& run, std::int64_t side) {
  return {side, run.original.info.resize};
}

pruning::Evidence evidence(const PruneRun& run, std::int64_t side) {
  return {.train = run.train,
          .held_out = run.held_out,
          .normalisation = run.original.info.normalisation,
          .size = input_size(run, side),
          .ex = run.ex,
          .seed = run.options.training.seed,
          .images = run.options.probe_images};
}

void store_network(const PruneRun& run, const std::string& step, const nn::Network& network,
                   std::int64_t side) {
  nn::ModelInfo info = run.original.info;
  info.side = side;
  make_folder_in(run.folder, "points");
  nn::save_model(network_file(run, step), {network.clone(), std::move(info)});
}

nn::Network stored_network(const PruneRun& run, const std::string& step) {
  return std::move(nn::load_model(network_file(run, step), {}, run.ex.device).network);
}

pruning::SpaceOptions space_options(const PruneRun& run) {
  const PruneOptions& o = run.options;
  return {.target = o.target,
          .depth = o.prune_depth,
          .width = o.prune_width,
          .resolution = o.prune_resolution,
          .width_mode = o.width_mode,
          .without_norm = pruning::channel_criterion(o.criterion)->judges_without_norm(),
          .limits = {.floor_fraction = o.floor,
                     .round_to = o.round_to,
                     .include = o.include,
                     .exclude = o.exclude},
          .resolution_step = o.resolution_step,
          .rounds = o.rounds};
}

std::vector<double> block_importance(const PruneRun& run) {
  return run.journal.at<PlanResult>("plan").importance;
}

pruning::ScoreUnits unit_scores(const PruneRun& run) {
  return [&run, criterion = std::shared_ptr(pruning::channel_criterion(run.options.criterion))](
             const nn::Network& network, const pruning::Units& units) {
    const std::vector<double> scores =
        criterion->scores(network, units, evidence(run, run.original.info.side));
    return run.options.width_by_group ? pruning::ranks_in_groups(units, scores) : scores;
  };
}

pruning::Space space_of(PruneRun& run, const nn::Network& network, std::vector<double> importance) {
  open_latency(run);
  const std::int64_t side = run.original.info.side;
  pruning::Space space(
      network, side,
      pruning::cost_model(run.options.cost).make(network.graph(), side, run.latency.get()),
      space_options(run), std::move(importance), unit_scores(run));
  if (run.latency) run.latency->save();
  return space;
}

pruning::Cut cut_base(const PruneRun& run, const Candidate& candidate) {
  return pruning::cut_to(run.base, space_options(run), block_importance(run), unit_scores(run),
                         candidate.blocks, candidate.width);
}

nn::TrainOptions training_options(const PruneRun& run, const Training& training) {
  nn::TrainOptions options = run.options.training;
  options.epochs = training.epochs;
  options.lr = training.lr;
  options.bn_l1 = training.bn_l1;
  options.seed += training.seed_offset;
  if (training.constant_rate) options.schedule.kind = nn::ScheduleKind::constant;
  if (!training.warms_up) options.schedule.warmup_epochs = 0;
  if (training.taught && run.options.teacher_weight > 0) {
    options.teacher = {.network = &run.original.network,
                       .size = run.original.info.input_size(),
                       .normalisation = run.original.info.normalisation,
                       .weight = run.options.teacher_weight,
                       .temperature = run.options.teacher_temperature};
  }
  return options;
}

std::vector<EpochRecord> train(PruneRun& run, nn::Network& network, const Training& training) {
  make_folder_in(run.folder, "checkpoints");
  const nn::TrainOptions options = training_options(run, training);
  nn::Trainer trainer(network, training.data, run.original.info.normalisation,
                      input_size(run, training.side), options, run.ex);
  const std::filesystem::path checkpoint = checkpoint_file(run.folder, training.step);
  std::vector<EpochRecord> curve = restore(trainer, checkpoint, training.step);
  const auto note = [&] { return json{{"step", training.step}, {"curve", curve}}.dump(); };
  const Rollback rollback(run.divergence, rollback_file(run.folder, training.step));
  auto saved = std::chrono::steady_clock::now();
  const auto train_epoch = [&] {
    const auto result = trainer.run_epoch([&](const nn::Progress& progress) {
      const bool go_on = run.callbacks.after_batch(training.step, training.epochs, progress);
      const auto now = std::chrono::steady_clock::now();
      if (go_on && now - saved > std::chrono::minutes(1)) {
        trainer.save(checkpoint, note());
        saved = now;
      }
      return go_on;
    });
    if (!result) {
      trainer.save(checkpoint, note());
      throw Stopped{};
    }
    rollback.refuse_spike(*result,
                          least_loss(curve, untrained_loss(training.data.classes, options)));
    EpochRecord epoch{.epoch = result->epoch,
                      .loss = result->loss,
                      .top1 = result->top1,
                      .lr = result->lr,
                      .held_out = {},
                      .rollbacks = trainer.rate_halvings()};
    if (training.judge_every_epoch) {
      epoch.held_out = held_out_top1(run, trainer.averaged(), training.side);
    }
    curve.push_back(epoch);
    trainer.save(checkpoint, note());
    rollback.keep(trainer, note());
    saved = std::chrono::steady_clock::now();
  };
  rollback.begin(trainer, note());
  while (!trainer.done()) {
    try {
      train_epoch();
    } catch (const DivergedError& e) {
      run.callbacks.say(fmt::format("{}: {}", training.step, rollback.require_another(trainer, e)));
      const std::int64_t halvings = trainer.rate_halvings() + 1;
      curve = restore(trainer, rollback.file(), training.step);
      trainer.halve_rate(halvings);
      trainer.save(checkpoint, note());
      rollback.keep(trainer, note());
    }
  }
  rollback.end();
  if (options.ema_decay > 0) network = trainer.averaged();
  return curve;
}

double held_out_top1(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  return nn::evaluate(network, run.held_out, run.original.info.normalisation, input_size(run, side),
                      run.ex)
      .top1();
}

void reestimate(const PruneRun& run, nn::Network& network, std::int64_t side) {
  nn::reestimate_batch_norm(network, run.train, run.original.info.normalisation,
                            input_size(run, side), run.ex, run.options.training.seed,
                            run.options.bn_batches);
}

}  // namespace trifold::apps
