/// Cutting the original to the chosen point, and training what is left.
#include <fmt/format.h>

#include <numeric>

#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "nn/train/evaluate.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

// Everything that the report says about one network, judged on images that decided nothing (test)
// and on those that decided (held_out).
json judge(const PruneRun& run, const nn::Network& network, std::int64_t side) {
  const pruning::Cost cost = pruning::count_cost(network.graph(), side);
  const nn::Normalisation& normalisation = run.original.info.normalisation;
  return {{"macs", cost.macs},
          {"params", cost.params},
          {"activations", cost.activations},
          {"held_out", held_out_top1(run, network, side)},
          {"test", nn::evaluate(network, run.test, normalisation, side, run.ex).top1()}};
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

}  // namespace

void apply(PruneRun& run) {
  const json& solution = run.journal.at("solve");
  run.journal.run("apply", [&]() -> json {
    const json& chosen = solution.at("candidates").at(0);
    const auto side = chosen.at("side").get<std::int64_t>();
    pruning::Cut cut = pruning::cut_to(
        run.original.network, space_options(run), block_importance(run), unit_scores(run),
        chosen.at("blocks").get<std::int64_t>(), chosen.at("width").get<double>());
    json result = {{"original", judge(run, run.original.network, run.original.info.side)},
                   {"raw", judge(run, cut.network, side)}};
    reestimate(run, cut.network, side);
    result["reestimated"] = judge(run, cut.network, side);

    nn::ModelInfo info = run.original.info;
    info.side = side;
    info.original_channels = original_channels(run, cut);
    info.provenance.push_back({{"step", "prune"},
                               {"target", run.options.target},
                               {"cost", run.options.cost},
                               {"width_mode", to_json(run.options).at("width_mode")},
                               {"at", chosen.at("at")},
                               {"seed", run.options.training.seed}});
    nn::save_model(run.folder / "pruned.safetensors", {std::move(cut.network), std::move(info)});
    return result;
  });
}

void finetune(PruneRun& run) {
  run.journal.at("apply");
  run.journal.run("finetune", [&] {
    nn::Model model = nn::load_model(run.folder / "pruned.safetensors", {}, run.ex.device);
    json result = naming_rate("--finetune-lr", [&] {
      json trained = train(run, "finetune", model.network, run.train, model.info.side,
                           run.options.finetune_epochs, run.options.finetune_lr, 0.0, true);
      trained["finetuned"] = judge(run, model.network, model.info.side);
      return trained;
    });
    model.info.provenance.push_back(
        {{"step", "finetune"}, {"epochs", run.options.finetune_epochs}});
    nn::save_model(run.folder / "model.safetensors", model);
    return result;
  });
  const json& done = run.journal.at("finetune");
  run.callbacks.say(fmt::format("fine-tuned: test top-1 {:.2f} % at {:.2f} M MACs",
                                done.at("finetuned").at("test").get<double>(),
                                done.at("finetuned").at("macs").get<double>() / 1e6));
}

}  // namespace trifold::apps
