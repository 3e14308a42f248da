/// A program's options: declared once with CLI11, given by flags, environment or a file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/cli/option_set.h"

namespace trifold::apps {

/// Wraps a CLI::App. Whatever is declared on app() with a long name can be given, strongest first,
///   as a flag                    --weight-decay 1e-4
///   in the environment           TRIFOLD_WEIGHT_DECAY=1e-4
///   in a file, --config FILE     weight-decay = 1e-4
/// and else keeps its built-in value. The file is TOML without tables. An option that is
/// ->configurable(false) is neither read from a file nor written to one.
///
/// An empty variable of the environment is none. An empty flag or key takes an option that is empty
/// by itself back to that, and is refused of others. A value that begins with -- needs the form
/// --name=VALUE, so that a forgotten value is noticed.
///
///     CommandLine line("train", "Trains a network.", {"train --arch resnet20 --data ..."});
///     line.app().add_option("--epochs", epochs, "Passes over the training set");
///     if (!line.parse(argc, argv)) return exit_ok;
class CommandLine {
 public:
  /// `examples` are shown first by --help.
  CommandLine(const std::string& name, const std::string& summary,
              const std::vector<std::string>& examples);

  OptionSet& app() { return app_; }

  /// A run that goes on keeps its options: where the folder of --out holds the file `trace`, or
  /// --resume is given, and no --config, the folder's config.toml is what --config would name.
  void go_on_from(const std::string& trace) { trace_ = trace; }

  /// Fills the variables that the options are bound to. False: --help, --version, or for an
  /// installation --help-as=man, =bash, =zsh or =fish (help_pages.h), was asked for and is printed;
  /// there is nothing to do.
  /// Errors    ConfigError: an unknown flag or key (the text names the nearest), a value that is
  ///           missing or does not fit, a missing required option, a configuration file that can't
  ///           be read.
  bool parse(int argc, const char* const* argv);

  /// All configurable options with their values in the form that --config reads.
  /// Errors    ConfigError: a value, of any option, that is not valid UTF-8, so that neither the
  ///           file nor a report could hold it.
  std::string resolved() const;

 private:
  // A value and where it came from: "", that is the command line, or such as " (from run.toml:3)".
  struct Given {
    std::string value, origin;
  };

  std::vector<const CLI::Option*> named_options() const;
  std::vector<std::string> take_flags(const std::vector<std::string>& words);
  void take_environment();
  void take_file();
  void check_empty_values();
  std::string value_of(const std::string& option) const;
  std::string config_file() const;
  void apply(std::vector<std::string> arguments);

  OptionSet app_;
  std::string summary_;
  std::vector<std::string> examples_;
  std::string config_, trace_;
  std::map<std::string, Given> given_;  // by the options' long names
};

/// Such as "0.1.0".
std::string version();

/// The facts that --version shows: version, compiler, build type, instruction sets, CUDA.
std::string version_text(const std::string& program);

}  // namespace trifold::apps
