#include "apps/cli/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <thread>

#include "apps/cli/exit_code.h"
#include "apps/cli/message.h"
#include "apps/cli/progress.h"
#include "apps/cli/text.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"
#include "nn/data/image_folder.h"
#include "nn/data/memory_limit.h"

namespace trifold::apps {

void DeviceOptions::add_to(OptionSet& app) {
  app.add_option("--device", device_, "Where to run: cpu or cuda[:N]")->type_name("DEVICE");
  app.add_option("--precision", precision_,
                 "What CUDA convolutions multiply in: fp32, tf32 or bf16; sums are float32")
      ->type_name("NAME");
  app.add_option("--threads", threads_, "CPU threads; 0 is one a processor")
      ->check(CLI::Range(0, 1024))
      ->type_name("N");
}

namespace {

Device parse_device(const std::string& text) {
  if (text == "cpu") return {};
  Device device{DeviceKind::cuda, 0};
  if (text == "cuda") return device;
  const std::string prefix = "cuda:";
  const char* const end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data() + std::min(prefix.size(), text.size()), end, device.index);
  require<ConfigError>(text.starts_with(prefix) && error == std::errc{} && rest == end,
                       "unknown device '{}'; the devices are cpu and cuda[:N]", text);
  return device;
}

kernels::Precision parse_precision(const std::string& text) {
  if (text == "fp32") return kernels::Precision::fp32;
  if (text == "tf32") return kernels::Precision::tf32;
  require<ConfigError>(text == "bf16", "unknown precision '{}'; it is fp32, tf32 or bf16", text);
  return kernels::Precision::bf16;
}

}  // namespace

void add_choice(OptionSet& app, const std::string& name, bool& value, const std::string& help) {
  app.add_option(name, value, help)->default_str(value ? "true" : "false");
}

kernels::Exec DeviceOptions::exec(int processes, int place) {
  Device device = parse_device(device_);
  if (device.kind == DeviceKind::cuda) device.index += place;
  const kernels::Precision precision = parse_precision(precision_);
  kernels::require_device(device);
  const int all = threads_ > 0 ? threads_ : static_cast<int>(std::thread::hardware_concurrency());
  const int threads = processes == 1 ? threads_ : std::max(1, all / processes);
  pool_ = std::make_unique<kernels::ThreadPool>(threads);
  return {.device = device, .pool = pool_.get(), .precision = precision};
}

std::optional<int> DeviceOptions::gpu() const {
  const Device device = parse_device(device_);
  return device.kind == DeviceKind::cuda ? std::optional(device.index) : std::nullopt;
}

void DataOptions::add_to(OptionSet& app) {
  app.add_option("--data", data, "The images: " + nn::describe_data_formats())
      ->required()
      ->transform(absolute_data())
      ->type_name("DATA");
  app.add_option("--memory-limit", memory_limit_gib,
                 "Most memory for the images in GiB; 0 is half of the machine's")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("GIB");
  app.add_option("--image-side", image_side,
                 "folder:DIR: the side to bring images to (the model's, else 224)")
      ->check(CLI::Range(1, 4096))
      ->type_name("PIXELS");
  app.add_option("--image-channels", image_channels,
                 "folder:DIR: 3 (colour) or 1 (grey) (the model's, else 3)")
      ->check(CLI::IsMember({1, 3}))
      ->type_name("N");
  app.add_flag("--no-orient", no_orient_,
               "folder:DIR: leaves images as they are stored, as torchvision does; else they are "
               "turned as their EXIF orientation says, as viewers show them");
  app.add_option("--skip-bad", skip_bad_,
                 "folder:DIR: most images that are passed over because they can't be read")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->type_name("N");
  app.add_option(
         "--stream", stream_,
         "folder:DIR: decodes images as they are needed (on) or holds all of them in memory "
         "(off): the same images; auto streams those above --memory-limit, or a quarter of "
         "the memory")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->type_name("NAME");
  app.add_option("--image-cache", image_cache_,
                 "folder:DIR: keeps streamed images decoded and at their size in files here, which "
                 "later runs with the same images use, too")
      ->transform(absolute_path())
      ->type_name("DIR");
}

std::optional<std::int64_t> DataOptions::stream_above_bytes(bool cuts_windows) const {
  const bool on = stream_ == "on", off = stream_ == "off";
  if (!nn::data_format(data).streams) {
    require<ConfigError>(!on && !cuts_windows,
                         "{} is for images in files of their own, folder:DIR, and --data is {}; "
                         "leave it out",
                         on ? "--stream on" : "--crop resized", data);
    require<ConfigError>(
        image_cache_.empty(),
        "--image-cache is for images in files of their own, folder:DIR, and --data "
        "is {}; leave it out",
        data);
    return std::nullopt;
  }
  require<ConfigError>(!cuts_windows || !off,
                       "--crop resized reads every image anew from its file in each epoch; leave "
                       "out --stream off");
  require<ConfigError>(skip_bad_ == 0 || (!on && !cuts_windows),
                       "--skip-bad counts the images that can't be read before anything else is "
                       "done, and {} reads them as they are needed; leave out one of the two",
                       on ? "--stream on" : "--crop resized");
  require<ConfigError>(
      image_cache_.empty() || (!off && !cuts_windows && skip_bad_ == 0),
      "--image-cache is for images that are streamed and not cut by windows; leave "
      "out {}",
      off            ? "--stream off"
      : cuts_windows ? "--crop resized"
                     : "--skip-bad");
  if (on || cuts_windows || !image_cache_.empty()) return 0;
  if (off || skip_bad_ > 0) return std::nullopt;
  return memory_limit_gib > 0 ? memory_limit_bytes() : nn::default_memory_limit_bytes() / 2;
}

std::int64_t DataOptions::memory_limit_bytes() const {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  return static_cast<std::int64_t>(memory_limit_gib * gib);
}

nn::DataSplits DataOptions::load(const nn::Model* model, nn::Splits splits,
                                 bool cuts_windows) const {
  nn::ImageFolderOptions image_folder{.orient = !no_orient_, .skip_bad = skip_bad_};
  image_folder.stream_above_bytes = stream_above_bytes(cuts_windows);
  image_folder.cache = image_cache_;
  std::optional<ProgressBar> bar;
  image_folder.cache_progress = [&](std::int64_t done, std::int64_t total) {
    if (!bar) bar.emplace("Decoding " + data, "images", total);
    bar->update(done, [] { return ""; });
    if (done == total) bar.reset();
  };
  if (model != nullptr) {
    image_folder.side = model->info.data_side;
    image_folder.channels = model->network.graph().input_channels();
  }
  image_folder.side = image_side.value_or(image_folder.side);
  image_folder.channels = image_channels.value_or(image_folder.channels);
  const nn::LoadOptions options{
      .memory_limit_bytes = memory_limit_bytes(), .image_folder = image_folder, .splits = splits};
  nn::DataSplits loaded;
  try {
    loaded = nn::load_data(data, options);
  } catch (const nn::BadImagesError& e) {
    throw FileError(fmt::format("{}, or pass over them with --skip-bad {}", e.what(), e.count));
  } catch (const nn::MemoryLimitError& e) {
    const bool streams = nn::data_format(data).streams;
    throw ConfigError(fmt::format("{} with --memory-limit{}", e.what(),
                                  streams ? ", or stream them with --stream on" : ""));
  }
  if (stream_ == "auto" && image_cache_.empty() && !cuts_windows &&
      (loaded.train.streamed() || loaded.test.streamed())) {
    note(fmt::format("the images of {} are streamed, as all of them would take much of the memory",
                     data));
  }
  for (const std::string& warning : loaded.warnings)
    message("warning: " + printable(warning) + "\n");
  return loaded;
}

void TrainingOptions::add_to(OptionSet& app) {
  schedule_ = nn::to_string(values.schedule.kind);
  app.add_option("--batch", values.batch, "Images a step")->type_name("N");
  app.add_option("--schedule", schedule_, "Learning rate: constant, step, cosine or one-cycle")
      ->type_name("NAME");
  app.add_option("--warmup", values.schedule.warmup_epochs, "Epochs of linear rise in front")
      ->type_name("EPOCHS");
  app.add_option("--momentum", values.momentum, "Of the gradient descent")->type_name("X");
  add_choice(app, "--nesterov", values.nesterov, "Nesterov's form of momentum: true or false");
  app.add_option("--weight-decay", values.weight_decay,
                 "Of convolution and linear weights, not of batch norms and biases")
      ->type_name("X");
  app.add_option("--label-smoothing", values.label_smoothing, "Share given to the other classes")
      ->type_name("X");
  app.add_option("--ema", values.ema_decay,
                 "Decay of an average of the parameters (less in the first steps); 0: none")
      ->type_name("X");
  app.add_option("--seed", values.seed, "Decides everything random")->type_name("N");
  add_choice(app, "--augment", augment_, "Random crops and flips: true or false");
  app.add_option("--crop", crop_,
                 "pad: random crops out of the image with zero pixels around it; resized: random "
                 "windows of 8 to 100 % of the area of a picture of folder:DIR, usual for large "
                 "ones; they are streamed")
      ->check(CLI::IsMember({"pad", "resized"}))
      ->type_name("NAME");
  app.add_option("--pad", pad_,
                 "--crop pad: zero pixels around the image (2 for images below 32 pixels, else 4)")
      ->type_name("PIXELS");
  app.add_option("--color-jitter", color_jitter_,
                 "Random changes of brightness, contrast and saturation, by factors up to so far "
                 "from 1, and of the hue, by up to so much of a turn around the colour wheel (H, "
                 "from 0 to 0.5); 0.4,0.4,0.4 is usual for photographs (none)")
      ->type_name("B,C,S[,H]");
  add_choice(app, "--cuda-graph", values.graph,
             "CUDA: captures a step as a graph once and repeats it: true or false");
  std::string unmirrored;
  for (const nn::DataFormat& format : nn::data_formats()) {
    if (!format.mirror) unmirrored += (unmirrored.empty() ? "" : ", ") + format.name;
  }
  app.add_option(
      "--flip", flip_,
      fmt::format("Mirror half of the images: true or false (true for all --data but {})",
                  unmirrored));
}

nn::TrainOptions TrainingOptions::resolve(const std::string& data, const nn::Dataset& train) const {
  nn::TrainOptions options = values;
  options.schedule.kind = nn::schedule_kind(schedule_);
  options.augmentation.reset();
  require<ConfigError>(augment_ || color_jitter_.empty(),
                       "--color-jitter needs --augment true; leave one of them out");
  if (!augment_) return options;
  const bool windows = cuts_windows();
  require<ConfigError>(!windows || !pad_, "--pad is for --crop pad; leave it out");
  const std::int64_t usual_pad = windows ? 0 : std::min(train.height, train.width) < 32 ? 2 : 4;
  options.augmentation = nn::Augmentation{.pad = pad_.value_or(usual_pad),
                                          .flip = flip_.value_or(nn::data_format(data).mirror),
                                          .resized = windows};
  if (!color_jitter_.empty()) {
    const std::vector<float> most = parse_list("--color-jitter", color_jitter_);
    const float hue = most.size() == 4 ? most[3] : 0;
    require<ConfigError>((most.size() == 3 || most.size() == 4) && hue <= 0.5f &&
                             std::ranges::all_of(most, [](float x) { return x >= 0; }),
                         "--color-jitter is '{}'; give three numbers from 0 on, such as "
                         "0.4,0.4,0.4, and for the hue a fourth from 0 to 0.5",
                         color_jitter_);
    options.augmentation->color = {most[0], most[1], most[2], hue};
  }
  return options;
}

std::int64_t held_out_count(std::int64_t asked, std::int64_t images) {
  return asked > 0 ? asked : std::clamp<std::int64_t>(images / 10, 1, 5000);
}

std::vector<float> parse_list(const std::string& flag, const std::string& text) {
  std::string spaced = text;
  std::ranges::replace(spaced, ',', ' ');
  std::istringstream stream(spaced);
  std::vector<float> values;
  for (std::string word; stream >> word;) {
    float value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require<ConfigError>(
        error == std::errc{} && end == word.data() + word.size() && std::isfinite(value),
        "{} is '{}'; give numbers with commas between them", flag, text);
    values.push_back(value);
  }
  return values;
}

}  // namespace trifold::apps
