/// A program's options: declared once with CLI11, given by flags, environment or a file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace trifold::apps {

/// Wraps a CLI::App. Whatever is declared on app() with a long name can be given, strongest first,
///   as a flag                    --weight-decay 1e-4
///   in the environment           TRIFOLD_WEIGHT_DECAY=1e-4
///   in a file, --config FILE     weight-decay = 1e-4
/// and else keeps its built-in value. The file is TOML without tables. An option that is
/// ->configurable(false) is neither read from a file nor written to one.
///
///     CommandLine line("train", "Trains a network.", {"train --arch resnet20 --data ..."});
///     line.app().add_option("--epochs", epochs, "Passes over the training set");
///     if (!line.parse(argc, argv)) return exit_ok;
class CommandLine {
 public:
  /// `examples` are shown first by --help.
  CommandLine(const std::string& name, const std::string& summary,
              const std::vector<std::string>& examples);

  CLI::App& app() { return app_; }

  /// A run that goes on keeps its options: where the folder of --out holds the file `trace` and no
  /// --config is given, the folder's config.toml is what --config would name.
  void go_on_from(const std::string& trace) { trace_ = trace; }

  /// Fills the variables that the options are bound to. False: --help or --version was asked for
  /// and is printed; there is nothing to do.
  /// Errors    ConfigError: an unknown flag or key (the text names the nearest), a value that does
  ///           not fit, a missing required option, a configuration file that can't be read.
  bool parse(int argc, const char* const* argv);

  /// All configurable options with their values in the form that --config reads.
  /// Errors    ConfigError: a value that is not UTF-8, which no file of a run could hold.
  std::string resolved() const;

 private:
  std::vector<const CLI::Option*> named_options() const;
  std::string config_file(const std::vector<std::string>& flags) const;
  void fail(const CLI::ParseError& error) const;

  CLI::App app_;
  std::string config_, trace_;
  std::vector<std::pair<std::string, std::string>> origins_;  // option, where its value came from
};

/// Such as "0.1.0".
std::string version();

/// The facts that --version shows: version, compiler, build type, instruction sets, CUDA.
std::string version_text(const std::string& program);

}  // namespace trifold::apps
