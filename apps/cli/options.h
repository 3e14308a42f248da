/// Groups of options that several programs share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/option_set.h"
#include "kernels/runtime/exec.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/data/source.h"
#include "nn/model.h"
#include "nn/train/trainer.h"

namespace trifold::apps {

/// An option that is true or false. CLI11 would show what it is by itself as 1 or 0.
void add_choice(OptionSet& app, const std::string& name, bool& value, const std::string& help);

/// --device, --precision and --threads.
class DeviceOptions {
 public:
  void add_to(OptionSet& app);

  /// Starts the threads: this one of `processes` has its share of them. Of several processes that use
  /// GPUs, the one at `place` has that which is so many behind the one that is named. The result is
  /// valid as long as this object lives.
  /// Errors    DeviceError: a device that this build or this machine does not have, and why.
  ///           ConfigError: no device or precision of that name.
  kernels::Exec exec(int processes = 1, int place = 0);
  /// The number of the GPU that is named, if it is one. Errors: ConfigError as exec()'s.
  std::optional<int> gpu() const;

 private:
  std::string device_ = "cpu", precision_ = "fp32";
  int threads_ = 0;
  std::unique_ptr<kernels::ThreadPool> pool_;
};

/// --data, --memory-limit, and for image folders --image-side and --image-channels, which a model
/// knows, too, --no-orient, --skip-bad, --stream and --image-cache.
struct DataOptions {
  std::string data;
  double memory_limit_gib = 0;  ///< 0: half of the memory
  std::optional<std::int64_t> image_side, image_channels;

  void add_to(OptionSet& app);
  /// The wanted splits, as `model` takes them where there is one; prints the warnings of loading
  /// them. Streamed where the user says so, where training cuts windows out of the images, and where
  /// they would take more than --memory-limit, or a quarter of the memory; a note says so.
  /// Errors    nn::load_data's. ConfigError: what can't be streamed.
  nn::DataSplits load(const nn::Model* model = nullptr, nn::Splits splits = nn::Splits::both,
                      bool cuts_windows = false) const;

 private:
  std::optional<std::int64_t> stream_above_bytes(bool cuts_windows) const;
  std::int64_t memory_limit_bytes() const;

  bool no_orient_ = false;
  std::int64_t skip_bad_ = 0;
  std::string stream_ = "auto", image_cache_;
};

/// --batch, --schedule, --warmup, --momentum, --nesterov, --weight-decay, --label-smoothing, --ema,
/// --seed, --augment, --crop, --pad, --color-jitter, --flip, --cuda-graph. Epochs and learning rates are the programs'
/// own.
struct TrainingOptions {
  nn::TrainOptions values;  ///< set before add_to: the built-in values

  void add_to(OptionSet& app);

  /// `values` with what the flags and the data say: unless given, images below 32 pixels are padded
  /// by 2, others by 4, and mirrored where their format usually is.
  /// Errors    ConfigError: no such schedule, a padding of windows, no such colours.
  nn::TrainOptions resolve(const std::string& data, const nn::Dataset& train) const;

  /// Whether images are augmented by windows of their files' pictures.
  bool cuts_windows() const { return augment_ && crop_ == "resized"; }

 private:
  std::string schedule_;
  bool augment_ = true;
  std::string crop_ = "pad", color_jitter_;
  std::optional<std::int64_t> pad_;
  std::optional<bool> flip_;
};

/// Images to hold out of `images`: `asked`, or where it is 0 a tenth, at most 5,000.
std::int64_t held_out_count(std::int64_t asked, std::int64_t images);

/// "0.49,0.48,0.45" (or with spaces) as numbers.
/// Errors    ConfigError naming `flag`.
std::vector<float> parse_list(const std::string& flag, const std::string& text);

}  // namespace trifold::apps
