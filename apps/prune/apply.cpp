/// Cutting the original to the chosen point, and training what is left.
#include <fmt/format.h>

#include <numeric>

#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "apps/prune/share.h"
#include "engine/file_io.h"
#include "nn/io/model_file.h"
#include "nn/onnx/export.h"
#include "nn/train/evaluate.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

// Everything that the report says about one network.
Judgement judge(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  const pruning::Cost cost = pruning::count_cost(network.graph(), side);
  const nn::Normalisation& normalisation = run.original.info.normalisation;
  return {
      .macs = cost.macs,
      .params = cost.params,
      .activations = cost.activations,
      .held_out = held_out_top1(run, network, side),
      .test = nn::evaluate(network, run.test, normalisation, input_size(run, side), run.ex).top1()};
}

// The surviving channels in terms of the network that was first of all, should the original itself
// be a pruned one.
std::map<std::string, std::vector<std::int64_t>> original_channels(const PruneRun& run,
                                                                   const pruning::Cut& cut) {
  if (run.original.info.original_channels.empty()) return cut.origin.channels;
  pruning::ChannelMap before{.channels = run.original.info.original_channels, .blocks = {}};
  before.blocks.resize(run.original.network.graph().blocks.size());
  std::iota(before.blocks.begin(), before.blocks.end(), std::int64_t{0});
  return pruning::compose(before, cut.origin).channels;
}

std::string finalist_step(std::size_t i) { return fmt::format("finalist/{}", i + 1); }

}  // namespace

Candidate chosen_candidate(PruneRun& run) {
  const std::vector<Candidate> candidates = run.journal.at<Solution>("solve").candidates;
  const std::int64_t finalists = std::min(run.options.finalists, std::ssize(candidates));
  if (finalists == 1) return candidates.front();
  const auto measure = [&](std::size_t i) {
    return measure_candidate(run, finalist_step(i), "joint", static_cast<std::int64_t>(i) + 1,
                             candidates[i]);
  };
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < static_cast<std::size_t>(finalists); ++i) {
    tasks.push_back({finalist_step(i), [&measure, i] { measure(i); }});
  }
  share(run, std::move(tasks));
  std::size_t best = 0;
  double best_accuracy = -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(finalists); ++i) {
    const DataPoint point = run.journal.at<DataPoint>(finalist_step(i));
    if (point.accuracy() <= best_accuracy) continue;
    best = i;
    best_accuracy = point.accuracy();
  }
  return candidates[best];
}

void apply(PruneRun& run) {
  const Candidate chosen = chosen_candidate(run);
  run.journal.run<ApplyResult>("apply", [&] {
    pruning::Cut cut = cut_base(run, chosen);
    ApplyResult result{.original = judge(run, run.original.network, run.original.info.side),
                       .raw = judge(run, cut.network, chosen.side),
                       .reestimated = {}};
    reestimate(run, cut.network, chosen.side);
    result.reestimated = judge(run, cut.network, chosen.side);

    nn::ModelInfo info = run.original.info;
    info.side = chosen.side;
    info.original_channels = original_channels(run, cut);
    info.provenance.push_back({{"step", "prune"},
                               {"target", run.options.target},
                               {"cost", run.options.cost},
                               {"width_mode", to_json(run.options).at("width_mode")},
                               {"at", chosen.at},
                               {"seed", run.options.training.seed}});
    nn::save_model(run.folder / "pruned.safetensors", {std::move(cut.network), std::move(info)});
    return result;
  });
}

std::string broken_promise(const PruneRun& run, const FinetuneResult& trained) {
  const double allowed = run.options.max_drop;
  const double original = run.journal.at<ApplyResult>("apply").original.test;
  const double drop = original - trained.finetuned.test;
  if (allowed == 0 || drop <= allowed) return {};
  return fmt::format(
      "the result lost {:.2f} points of test accuracy, more than --max-drop {:g}: what data points "
      "of a short training predict does not hold here; train the result longer "
      "(--finetune-epochs), or give a higher --target",
      drop, allowed);
}

void finetune(PruneRun& run) {
  run.journal.at<ApplyResult>("apply");
  const FinetuneResult done = do_step<FinetuneResult>(run, "finetune", [&] {
    nn::Model model = nn::load_model(run.folder / "pruned.safetensors", {}, run.ex.device);
    const FinetuneResult result = train_result(run, "finetune", model.network, model.info.side);
    model.info.provenance.push_back(
        {{"step", "finetune"}, {"epochs", run.options.finetune_epochs}});
    nn::save_model(run.folder / "model.safetensors", model);
    return result;
  });
  if (run.writes_onnx) {
    engine::write_file_atomically(
        run.folder / "model.onnx",
        nn::to_onnx(nn::load_model(run.folder / "model.safetensors", {}, run.ex.device)));
  }
  if (const std::string broken = broken_promise(run, done); !broken.empty()) {
    run.callbacks.say("warning: " + broken);
  }
  run.callbacks.say(fmt::format("fine-tuned: test top-1 {:.2f} % at {:.2f} M MACs",
                                done.finetuned.test,
                                static_cast<double>(done.finetuned.macs) / 1e6));
}

FinetuneResult train_result(PruneRun& run, const std::string& step, nn::Network& network,
                            std::int64_t side, std::uint64_t seed_offset) {
  const PruneOptions& o = run.options;
  FinetuneResult result;
  if (o.heal_epochs > 0) {
    // A high rate would forget what the cut has left of the original before it has healed.
    const std::string healed = step + "/heal";
    const auto heal = [&] {
      TrainingRecord record;
      naming_rate("--heal-lr", [&] {
        record.curve = train(run, network,
                             {.step = healed,
                              .data = run.train,
                              .side = side,
                              .epochs = o.heal_epochs,
                              .lr = o.heal_lr,
                              .taught = true,
                              .warms_up = false,
                              .judge_every_epoch = true,
                              .seed_offset = seed_offset});
        return 0;
      });
      store_network(run, healed, network, side);
      return record;
    };
    result.healing = do_step<TrainingRecord>(run, healed, heal).curve;
    network = stored_network(run, healed);
  }
  naming_rate("--finetune-lr", [&] {
    result.curve = train(run, network,
                         {.step = step,
                          .data = run.train,
                          .side = side,
                          .epochs = o.finetune_epochs,
                          .lr = o.finetune_lr,
                          .taught = true,
                          .judge_every_epoch = true,
                          .seed_offset = seed_offset});
    result.finetuned = judge(run, network, side);
    return 0;
  });
  return result;
}

}  // namespace trifold::apps
