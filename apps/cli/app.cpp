#include "apps/cli/app.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <new>

#include "apps/cli/toml_config.h"
#include "kernels/error.h"
#include "kernels/instruction_set.h"

namespace trifold::apps {
namespace {

volatile std::sig_atomic_t stop_signal = 0;

void on_signal(int signal) { stop_signal = signal; }

// The subcommand that was named, or the app itself.
const CLI::App& innermost(const CLI::App& app) {
  const auto subcommands = app.get_subcommands();
  return subcommands.empty() ? app : *subcommands.front();
}

int fail(Exit code, const std::string& text) {
  fmt::print(stderr, "error: {}\n", text);
  return static_cast<int>(code);
}

// CLI11 tells of unknown words only as a list; the nearest flag is what helps.
std::string unknown_text(const CLI::App& app) {
  for (const std::string& word : app.remaining(true)) {
    if (!word.starts_with("--")) return fmt::format("unknown argument '{}'; see --help", word);
    const std::string name = word.substr(2, word.find('=') - 2);
    return fmt::format("unknown flag '--{}'; did you mean '--{}'?", name,
                       nearest(name, long_names(innermost(app))));
  }
  return "unknown arguments; see --help";
}

}  // namespace

std::string version_text() {
  std::string sets;
  for (kernels::InstructionSet set : kernels::supported_instruction_sets()) {
    sets += fmt::format("{}{}", sets.empty() ? "" : " ", to_string(set));
  }
  return fmt::format(
      "trifold 0.1.0\ncompiler: g++ {}\ninstruction sets: {} (active: {})\nCUDA: not built in",
      __VERSION__, sets, to_string(kernels::active_instruction_set()));
}

int run_app(CLI::App& app, int argc, char** argv, const std::function<Exit()>& body) {
  try {
    app.set_version_flag("--version", version_text());
    app.parse(argc, argv);
    return static_cast<int>(body());
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ExtrasError&) {
    return fail(Exit::usage, unknown_text(app));
  } catch (const CLI::ParseError& e) {
    return fail(Exit::usage, fmt::format("{}; see --help", e.what()));
  } catch (const ConfigError& e) {
    return fail(Exit::usage, e.what());
  } catch (const FileError& e) {
    return fail(Exit::bad_file, e.what());
  } catch (const TargetError& e) {
    return fail(Exit::unsatisfiable, e.what());
  } catch (const DivergedError& e) {
    return fail(Exit::diverged, e.what());
  } catch (const std::bad_alloc&) {
    return fail(Exit::failure, "out of memory; use a smaller --batch");
  } catch (const std::exception& e) {
    return fail(Exit::failure, e.what());
  }
}

void DeviceOptions::add_to(CLI::App& app) {
  app.add_option("--device", device_, "cpu, or cuda[:N]")->capture_default_str();
  app.add_option("--threads", threads_, "CPU threads; 0: one a processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

kernels::Exec DeviceOptions::exec() {
  if (device_ == "cuda" || device_.starts_with("cuda:")) {
    throw DeviceError("this build has no CUDA backend; use --device cpu");
  }
  require<ConfigError>(device_ == "cpu", "unknown device '{}'; the devices are cpu and cuda[:N]",
                       device_);
  pool_ = std::make_unique<kernels::ThreadPool>(threads_);
  return {.pool = pool_.get()};
}

void PlainFileOptions::add_to(CLI::App& app) {
  app.add_option("--arch", arch, "network that a plain file of weights holds, such as resnet20");
  app.add_option("--mean", mean, "means that its inputs were normalised by, one a channel");
  app.add_option("--std", std, "deviations likewise");
}

nn::PlainFileHints PlainFileOptions::hints() const {
  require<ConfigError>(mean.size() == std.size(),
                       "--mean and --std need the same number of values");
  nn::PlainFileHints hints;
  if (!arch.empty()) hints.arch = arch;
  if (!mean.empty()) hints.normalisation = nn::Normalisation{mean, std};
  return hints;
}

void TrainingFlags::add_to(CLI::App& app) {
  nn::TrainOptions& o = options;
  app.add_option("--batch", o.batch, "images in a step")->capture_default_str();
  app.add_option("--momentum", o.momentum, "of SGD")->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay, "of convolution and linear weights")
      ->capture_default_str();
  app.add_option("--label-smoothing", o.label_smoothing,
                 "share of the target spread over all classes")
      ->capture_default_str();
  app.add_option("--schedule", schedule, "constant, step, cosine or one-cycle")
      ->capture_default_str();
  app.add_option("--warmup", o.schedule.warmup_epochs, "epochs of rising learning rate")
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of all random choices")->capture_default_str();
  app.add_option("--pad", pad, "pixels of padding for random crops")->capture_default_str();
  app.add_flag("--no-flip", no_flip, "no mirrored images");
  app.add_flag("--no-augment", no_augment, "neither crops nor mirrored images");
}

nn::TrainOptions TrainingFlags::resolved() const {
  nn::TrainOptions result = options;
  result.schedule.kind = nn::schedule_kind(schedule);
  result.augmentation = std::nullopt;
  if (!no_augment) result.augmentation = nn::Augmentation{pad, !no_flip};
  return result;
}

StopRequest::StopRequest() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
}

void StopRequest::add_to(CLI::App& app) {
  app.add_option("--time-limit", limit_minutes_,
                 "minutes after which the run stops with a checkpoint; 0: none")
      ->capture_default_str();
}

bool StopRequest::requested() const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  return stop_signal != 0 || (limit_minutes_ > 0 && elapsed.count() > 60.0 * limit_minutes_);
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(const std::string& what, std::int64_t done, std::int64_t total,
                        const std::string& detail) {
  const auto now = std::chrono::steady_clock::now();
  if (what != what_ || done <= 1) {
    what_ = what;
    start_ = shown_ = now;
  }
  const bool last = done == total;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(30);
  if (now - shown_ < pause && !(terminal_ && last)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  const double left = static_cast<double>(total - done) / std::max(rate, 1e-9);
  if (!terminal_) {
    fmt::print(stderr, "{}: {} of {}, {:.1f}/s, {:.0f} s left, {}\n", what, done, total, rate, left,
               detail);
    return;
  }
  constexpr int width = 24;
  const auto filled = static_cast<int>(width * done / std::max<std::int64_t>(total, 1));
  fmt::print(stderr, "\r\x1b[K{} [{}{}] {:.1f}/s, {:.0f} s left, {}", what,
             std::string(filled, '='), std::string(width - filled, ' '), rate, left, detail);
  std::fflush(stderr);
  open_ = true;
}

void ProgressLine::finish() {
  if (open_) fmt::print(stderr, "\r\x1b[K");
  open_ = false;
}

}  // namespace trifold::apps
