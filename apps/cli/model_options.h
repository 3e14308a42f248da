/// Naming a model file on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "nn/model.h"

namespace trifold::apps {

/// --arch, --mean, --std and --resolution, beside a file that is named by the program's own option.
struct ModelOptions {
  std::string file;

  void add_to(CLI::App& app);

  /// The model on a device, with `resolution` as its side where that is given.
  /// Errors    nn::load_model's; ConfigError: a list that is not one, a side too small.
  nn::Model load(Device device = {}) const;

 private:
  std::string arch_, mean_, std_;
  std::int64_t resolution_ = 0;
};

}  // namespace trifold::apps
