#include "apps/cli/model_options.h"

#include "apps/cli/options.h"
#include "kernels/error.h"

namespace trifold::apps {

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("--arch", arch_, "Plain file of weights: its network, such as resnet20")
      ->type_name("NAME");
  app.add_option("--mean", mean_,
                 "Plain file of weights: mean of each channel, such as "
                 "0.49,0.48,0.45")
      ->type_name("LIST");
  app.add_option("--std", std_, "Plain file of weights: deviation of each channel")
      ->type_name("LIST");
  app.add_option("--resolution", resolution_, "Image side; 0 is the model's own")
      ->check(CLI::Range(0, 4096))
      ->type_name("PIXELS");
}

nn::Model ModelOptions::load(Device device) const {
  require<ConfigError>(mean_.empty() == std_.empty(), "--mean and --std go together; give both");
  nn::PlainFileHints hints;
  if (!arch_.empty()) hints.arch = arch_;
  if (!mean_.empty()) {
    hints.normalisation = {parse_list("--mean", mean_), parse_list("--std", std_)};
  }
  nn::Model model = nn::load_model(file, hints, device);
  if (resolution_ > 0) model.info.side = resolution_;
  try {
    nn::infer_extents(model.network.graph(), model.info.side);
  } catch (const ShapeError& e) {
    throw ConfigError(fmt::format("--resolution {} does not fit {} ({}); give a larger one",
                                  resolution_, file, e.what()));
  }
  return model;
}

}  // namespace trifold::apps
