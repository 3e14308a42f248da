/// Training the original so that the scales of its batch norms tell which channels matter, and a look
/// at the images that will decide.
#include <cmath>

#include "apps/cli/exit_code.h"
#include "apps/prune/run.h"
#include "nn/io/model_file.h"
#include "nn/train/evaluate.h"

namespace trifold::apps {
namespace {

std::filesystem::path base_file(const PruneRun& run) { return run.folder / "base.safetensors"; }

// Held-out images that the original was trained on say what it remembers, not what it knows.
void warn_of_memory(const PruneRun& run, const BaseResult& result) {
  const auto variance = [](double top1, std::int64_t images) {
    return top1 * (100 - top1) / static_cast<double>(images);
  };
  const double difference = result.original_held_out - result.original_test;
  const double noise = std::sqrt(variance(result.original_held_out, run.held_out.count) +
                                 variance(result.original_test, run.test.count));
  constexpr double deviations = 3;
  if (difference <= deviations * noise) return;
  run.callbacks.say(fmt::format(
      "warning: the network scores {:.2f} % on the held-out images, but {:.2f} % on the test set: "
      "it was probably trained on the former, so that they show forgetting as lost accuracy; "
      "--held-out-from test, or --validation, decides on images that it never saw",
      result.original_held_out, result.original_test));
}

}  // namespace

void sparsify(PruneRun& run) {
  const PruneOptions& o = run.options;
  const std::int64_t side = run.original.info.side;
  do_step<BaseResult>(run, "sparsify", [&] {
    const nn::Normalisation& normalisation = run.original.info.normalisation;
    BaseResult base{.original_held_out = held_out_top1(run, run.original.network, side),
                    .original_test = nn::evaluate(run.original.network, run.test, normalisation,
                                                  run.original.info.input_size(), run.ex)
                                         .top1(),
                    .curve = {}};
    base.held_out = base.original_held_out;
    warn_of_memory(run, base);
    if (o.sparsity_epochs == 0) return base;
    nn::Network network = run.original.network.clone();
    naming_rate("--sparsity-lr", [&] {
      base.curve = train(run, network,
                         {.step = "sparsify",
                          .data = run.train,
                          .side = side,
                          .epochs = o.sparsity_epochs,
                          .lr = o.sparsity_lr,
                          .bn_l1 = o.bn_l1,
                          .warms_up = false});
      base.held_out = held_out_top1(run, network, side);
      return 0;
    });
    nn::save_model(base_file(run), {std::move(network), run.original.info});
    run.callbacks.say(fmt::format("sparsity training: held-out top-1 {:.2f} -> {:.2f} %",
                                  base.original_held_out, base.held_out));
    return base;
  });
  run.base = load_base(run);
}

nn::Network load_base(const PruneRun& run) {
  if (run.options.sparsity_epochs == 0 || !run.journal.has("sparsify")) {
    return run.original.network.clone();
  }
  return std::move(nn::load_model(base_file(run), {}, run.ex.device).network);
}

}  // namespace trifold::apps
