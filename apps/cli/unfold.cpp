#include "apps/cli/unfold.h"

#include "apps/cli/exit_code.h"
#include "apps/cli/options.h"
#include "kernels/runtime/error.h"
#include "nn/train/network_input.h"
#include "pruning/unfold.h"

namespace trifold::apps {

void UnfoldOption::add_to(OptionSet& app) {
  add_choice(app, "--unfold", wanted_,
             "Measures batch norms for convolutions without any, as exporters leave them: the same "
             "function, but fit to be trained and pruned: true or false");
}

void UnfoldOption::apply(const std::string& file, nn::Model& model, const nn::Dataset& train,
                         const kernels::Exec& ex, std::uint64_t seed) const {
  const std::vector<nn::NodeId> missing = pruning::without_norm(model.network.graph());
  if (!wanted_ || missing.empty()) return;
  nn::check_fits(model.network, train);
  try {
    model.network = pruning::with_batch_norms(model.network, train, model.info.normalisation,
                                              model.info.input_size(), ex, seed);
  } catch (const DivergedError& e) {
    throw FileError(
        fmt::format("{}: {}; with --unfold false it stays without batch norms", file, e.what()));
  }
  model.info.provenance.push_back({{"step", "unfold"}, {"batch_norms", missing.size()}});
  note(
      fmt::format("{} convolutions of {} have no batch norm; theirs are measured anew on training "
                  "images, which leaves its answers as they are",
                  missing.size(), file));
}

}  // namespace trifold::apps
