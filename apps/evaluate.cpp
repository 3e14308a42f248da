/// Measures a model's accuracy.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/model_options.h"
#include "apps/cli/options.h"
#include "apps/cli/profile.h"
#include "nn/train/evaluate.h"

using namespace trifold;
using namespace trifold::apps;

namespace {

// Where the loss isn't finite, the file is to blame: nothing was trained here.
nn::Evaluation evaluate(const std::string& file, const nn::Model& model, const nn::Dataset& images,
                        const kernels::Exec& ex, std::int64_t batch) {
  try {
    return nn::evaluate(model.network, images, model.info.normalisation, model.info.input_size(),
                        ex, batch);
  } catch (const DivergedError& e) {
    throw FileError(fmt::format("{}: {}", file, e.what()));
  }
}

int run(int argc, char** argv) {
  CommandLine line("evaluate", "Measures a model's accuracy on labelled images.",
                   {"evaluate --model runs/fashion/model.safetensors --data fashion-mnist",
                    "evaluate --model resnet20.safetensors --arch resnet20 --mean 0.49,0.48,0.45 "
                    "--std 0.25,0.24,0.26 --data cifar10:cifar-10-batches-bin --json"});
  ModelOptions model_options;
  DataOptions data_options;
  DeviceOptions device;
  ProfileOption profile;
  std::string split = "test";
  std::int64_t batch = 250, held_out = 0;
  std::uint64_t seed = 0;
  bool as_json = false;
  OptionSet& app = line.app();
  app.add_option("--model", model_options.file, "The model file")->required()->type_name("FILE");
  data_options.add_to(app);
  model_options.add_to(app);
  app.add_option("--split", split, "Which images: test or train; the other ones are not read")
      ->check(CLI::IsMember({"test", "train"}))
      ->type_name("NAME");
  app.add_option(
         "--held-out", held_out,
         "Leaves out as many images, those that a run with this --seed has set aside for its "
         "decisions: with --split test of prune --held-out-from test, with --split train of "
         "train and prune; 0: none")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->type_name("N");
  app.add_option("--seed", seed, "--held-out: the seed of that run")->type_name("N");
  app.add_option("--batch", batch, "Images at a time")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  device.add_to(app);
  profile.add_to(app);
  app.add_flag("--json", as_json, "Prints the result as JSON")->configurable(false);
  if (!line.parse(argc, argv)) return exit_ok;

  const kernels::Exec ex = device.exec();
  profile.start();
  const nn::Model model = model_options.load(ex.device);
  require_memory(model_options.file, model);
  const bool on_test = split == "test";
  nn::DataSplits data = data_options.load(&model, on_test ? nn::Splits::test : nn::Splits::train);
  nn::Dataset& images = on_test ? data.test : data.train;
  if (held_out > 0) images = nn::split_held_out(images, held_out, seed).train;
  require_fits_model(model_options.file, model.info, data_options.data, images);
  const nn::Evaluation result = evaluate(model_options.file, model, images, ex, batch);
  profile.finish();
  if (as_json) {
    fmt::print("{}\n", nlohmann::json{{"top1", result.top1()},
                                      {"loss", result.loss},
                                      {"images_per_s", result.images_per_s},
                                      {"images", result.images},
                                      {"split", split},
                                      {"side", model.info.side},
                                      {"resize", nn::to_string(model.info.resize)}}
                           .dump(2));
  } else {
    fmt::print(
        "top1          {:.2f} %\nloss          {:.4f}\nimages        {}\nimages_per_s  {:.0f}\n",
        result.top1(), result.loss, result.images, result.images_per_s);
  }
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return run_app([&] { return run(argc, argv); });
}
