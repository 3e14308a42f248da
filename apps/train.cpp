/// Trains a network on labelled images.
#include <fmt/format.h>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/message.h"
#include "apps/cli/model_options.h"
#include "apps/cli/profile.h"
#include "apps/train/ranks.h"
#include "apps/train/training_run.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"

using namespace trifold;
using namespace trifold::apps;

namespace {

int run(int argc, char** argv) {
  CommandLine line(
      "train", "Trains a network on labelled images; goes on after a stop or a kill with --resume.",
      {"train --arch resnet20 --data fashion-mnist --epochs 10 --out runs/fashion",
       "train --arch resnet56 --data cifar10:cifar-10-batches-bin --epochs 160 --schedule step",
       "train --init model.safetensors --new-head --data folder:photos --lr 0.01",
       "train --arch resnet56 --data folder:photos --ranks 4 --threads 32",
       "train --arch resnet56 --data folder:photos --ranks 2 --rank 1 --meet node1:29500",
       "train --init pruned.safetensors --teacher original.safetensors --data folder:photos",
       "train --out runs/fashion --resume"});
  line.go_on_from("checkpoint.safetensors");
  TrainSettings settings;
  DeviceOptions device;
  ProfileOption profile;
  nn::TrainOptions& values = settings.training.values;
  values.epochs = 10;
  bool as_json = false;
  double minutes = 0;
  std::string out = settings.out.string();
  RanksOptions ranks_options;

  OptionSet& app = line.app();
  app.add_option("--arch", settings.arch, "The network: " + nn::describe_architectures())
      ->type_name("NAME");
  app.add_option("--init", settings.init, "A model file to start from")
      ->transform(absolute_path())
      ->type_name("FILE");
  app.add_flag("--new-head", settings.new_head,
               "--init: a new last layer, for the classes of the data");
  app.add_option("--mean", settings.mean,
                 "--init: mean of each channel, such as 0.49,0.48,0.45 (the file's own)")
      ->type_name("LIST");
  app.add_option("--std", settings.std, "--init: deviation of each channel (the file's own)")
      ->type_name("LIST");
  settings.unfold.add_to(app);
  app.add_option("--teacher", settings.teacher,
                 "A model file of the same classes, to learn from its answers, too")
      ->transform(absolute_path())
      ->type_name("FILE");
  app.add_option("--teacher-weight", settings.teacher_weight,
                 "--teacher: its share of the loss; the labels have the rest (0.5)")
      ->type_name("X");
  app.add_option("--teacher-temperature", settings.teacher_temperature,
                 "--teacher: divides its logits; a higher one makes its answers softer (4)")
      ->type_name("T");
  settings.data.add_to(app);
  app.add_option("--epochs", values.epochs, "Passes over the training set")->type_name("N");
  app.add_option("--lr", values.lr, "Learning rate")->type_name("X");
  app.add_option("--bn-l1", values.bn_l1, "Weight of the sum of |gamma| of the batch norms")
      ->type_name("X");
  settings.training.add_to(app);
  settings.divergence.add_to(app);
  add_resize(app, settings.resize, "the one of --init, else antialias");
  app.add_option("--resolution", settings.resolution,
                 "Image side to train at; 0 is that of the data or of --init")
      ->check(CLI::Range(0, 4096))
      ->type_name("PIXELS");
  app.add_option("--held-out", settings.held_out,
                 "Training images set aside for the accuracy of each epoch; 0 is a tenth, at most "
                 "5,000")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->type_name("N");
  ranks_options.add_to(app);
  app.add_option(
         "--shards", settings.shards,
         "Equal parts of a batch, with batch statistics of their own: the result depends on "
         "them, and not on --ranks; 0: none, but for several ranks 4 or as many as they")
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
  app.add_flag(
      "--sync-statistics", settings.synchronised,
      "--ranks: batch statistics of the whole batch, and not of each shard, of which there "
      "are then as many as ranks; slower, and to the bit the same for as many ranks alone");
  app.add_option("--out", out, "Folder of the run")->type_name("DIR");
  app.add_flag("--resume", settings.resume, "Goes on with the run in --out")->configurable(false);
  app.add_option("--time-limit", minutes, "Stops after a checkpoint when the time is up; 0: never")
      ->check(CLI::Range(0.0, 1e8))
      ->type_name("MINUTES")
      ->configurable(false);
  device.add_to(app);
  profile.add_to(app);
  app.add_flag("--json", as_json, "Prints the result as JSON")->configurable(false);
  if (!line.parse(argc, argv)) return exit_ok;

  settings.out = out;
  settings.config = line.resolved();
  Ranks ranks(ranks_options);
  const StopSignal stop(minutes);
  std::optional<nlohmann::json> result;
  try {
    const kernels::Exec ex = ranks.exec(device);
    if (ranks.leads()) profile.start();
    result = naming_rate("--lr", [&] { return train(settings, ex, stop, ranks); });
  } catch (const kernels::RankLostError& e) {
    if (!ranks.leads() && ranks_options.one_machine()) return exit_stopped;
    const Ranks::Loss loss = ranks.describe_loss(e);
    message(fmt::format("error: {}; run again with --resume to go on from the last checkpoint\n",
                        loss.what));
    return loss.code;
  }
  if (!ranks.leads()) return result ? exit_ok : exit_stopped;
  profile.finish();
  if (!result) {
    message("stopped after a checkpoint; run again with --resume to go on\n");
    return exit_stopped;
  }
  if (as_json) {
    fmt::print("{}\n", result->dump(2));
  } else {
    fmt::print("model     {}\nheld out  {:.2f} %\ntest      {:.2f} %\n",
               result->at("model").get<std::string>(), result->at("held_out_top1").get<double>(),
               result->at("test_top1").get<double>());
  }
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return run_app([&] { return run(argc, argv); });
}
