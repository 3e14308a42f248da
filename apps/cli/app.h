/// What all programs share: errors to exit codes, the device, stopping, progress.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kernels/exec.h"
#include "kernels/thread_pool.h"
#include "nn/model.h"
#include "nn/train/trainer.h"

namespace trifold::apps {

/// The documented exit codes.
enum class Exit : int {
  ok = 0,
  failure = 1,        ///< at run time
  usage = 2,          ///< flags or configuration
  bad_file = 3,       ///< a damaged or hostile input file
  unsatisfiable = 4,  ///< a target that can't be met
  diverged = 5,       ///< a loss that is not finite
  stopped = 75,       ///< after a checkpoint; running the same command with --resume goes on
};

/// Parses the command line and runs `body`. An error becomes one sentence on stderr and its exit
/// code; an unknown flag is answered with the nearest known one. Adds --version and --config.
int run_app(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body);

/// Build facts, as --version prints them.
std::string version_text();

/// --device and --threads.
class DeviceOptions {
 public:
  void add_to(CLI::App& app);
  /// Errors    ConfigError: an unknown device. DeviceError: one that this build lacks.
  kernels::Exec exec();

 private:
  std::string device_ = "cpu";
  int threads_ = 0;
  std::unique_ptr<kernels::ThreadPool> pool_;
};

/// --arch, --mean, --std for plain files of weights.
struct PlainFileOptions {
  std::string arch;
  std::vector<float> mean, std;

  void add_to(CLI::App& app);
  nn::PlainFileHints hints() const;
};

/// The flags of nn::TrainOptions that train and prune share.
struct TrainingFlags {
  nn::TrainOptions options;
  std::string schedule = "cosine";
  std::int64_t pad = 4;
  bool no_flip = false, no_augment = false;

  void add_to(CLI::App& app);
  nn::TrainOptions resolved() const;
};

/// Turns SIGTERM, SIGINT, SIGUSR1 and a time limit into a request to stop.
class StopRequest {
 public:
  StopRequest();
  /// --time-limit
  void add_to(CLI::App& app);
  bool requested() const;

 private:
  double limit_minutes_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Progress on stderr: a bar that rewrites itself at a terminal, a line every half minute
/// elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  /// `done` of `total` units of `what`; `detail` stands behind it.
  void show(const std::string& what, std::int64_t done, std::int64_t total,
            const std::string& detail);
  /// Ends the bar, so that other lines can follow.
  void finish();

 private:
  bool terminal_;
  bool open_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point start_, shown_;
};

}  // namespace trifold::apps
