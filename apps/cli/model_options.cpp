#include "apps/cli/model_options.h"

#include <unistd.h>

#include "apps/cli/exit_code.h"
#include "apps/cli/options.h"
#include "kernels/runtime/error.h"
#include "nn/class_names.h"
#include "nn/least_bytes.h"

namespace trifold::apps {

std::optional<nn::Normalisation> parse_normalisation(const std::string& mean,
                                                     const std::string& deviation) {
  require<ConfigError>(mean.empty() == deviation.empty(),
                       "--mean and --std go together; give both");
  if (mean.empty()) return std::nullopt;
  return nn::Normalisation{parse_list("--mean", mean), parse_list("--std", deviation)};
}

nn::Model load_model(const std::string& file, const nn::ModelHints& hints, Device device) {
  try {
    return nn::load_model(file, hints, device);
  } catch (const nn::HintError<ConfigError>& e) {
    const char* remedy = "give --mean and --std, a number for each channel";
    if (e.fact == nn::ModelFact::side) remedy = "give a larger --resolution";
    if (e.fact == nn::ModelFact::arch) {
      remedy = hints.arch ? "leave --arch out" : "give --arch (such as resnet20)";
    }
    throw ConfigError(fmt::format("{}; {}", e.what(), remedy));
  } catch (const nn::HintError<FileError>& e) {
    throw FileError(fmt::format("{}; {}", e.what(),
                                e.fact == nn::ModelFact::arch
                                    ? "is --arch right?"
                                    : "give --mean and --std, a number for each channel"));
  }
}

void require_memory(const std::string& file, const nn::Model& model) {
  constexpr double gibibyte = 1 << 30;
  const double needed = nn::least_bytes(model.network.graph(), model.info.side);
  const double all =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  require<FileError>(
      needed <= all,
      "{0}: its network reads images of {1} x {1} pixels, each of which needs {2:.1f} "
      "GiB of memory or more, and this machine has {3:.1f} GiB; use a smaller "
      "resolution",
      file, model.info.side, needed / gibibyte, all / gibibyte);
}

void require_fits_model(const std::string& file, const nn::ModelInfo& model,
                        const std::string& source, const nn::Dataset& data,
                        const std::string& remedy) {
  const std::string difference = nn::class_difference(model.class_names, data.class_names);
  require<ConfigError>(difference.empty(),
                       "{} was trained on other classes than those of {}: {}; {}", file, source,
                       difference, remedy);
  note_other_side(file, model, source, data);
}

void note_other_side(const std::string& file, const nn::ModelInfo& model, const std::string& source,
                     const nn::Dataset& data) {
  if (data.height == model.data_side) return;
  note(fmt::format("the images of {} have {} x {} pixels, those that {} is for have {}", source,
                   data.height, data.width, file, model.data_side));
}

void add_resize(OptionSet& app, std::string& name, const std::string& usual) {
  app.add_option("--resize", name,
                 fmt::format("How images are brought to another side, bilinearly either way: "
                             "antialias (each pixel of the original counts) or plain (its two "
                             "nearest along a side) ({})",
                             usual))
      ->type_name("NAME")
      ->check(CLI::IsMember({"antialias", "plain"}));
}

void ModelOptions::add_to(OptionSet& app) {
  app.add_option("--arch", arch_, "Plain file of weights: its network, such as resnet20")
      ->type_name("NAME");
  app.add_option("--mean", mean_,
                 "Mean of each channel, pixels being from 0 to 1, such as 0.49,0.48,0.45 (the "
                 "file's own)")
      ->type_name("LIST");
  app.add_option("--std", std_, "Deviation of each channel (the file's own)")->type_name("LIST");
  app.add_option("--resolution", resolution_, "Image side; 0 is the model's own")
      ->check(CLI::Range(0, 4096))
      ->type_name("PIXELS");
  add_resize(app, resize_, "the model's own");
}

nn::Model ModelOptions::load(Device device) const {
  nn::ModelHints hints{.arch = {},
                       .normalisation = parse_normalisation(mean_, std_),
                       .side = {},
                       .on_override = note};
  if (!arch_.empty()) hints.arch = arch_;
  if (resolution_ > 0) hints.side = resolution_;
  if (!resize_.empty()) hints.resize = nn::resize_filter(resize_);
  return load_model(file, hints, device);
}

}  // namespace trifold::apps
