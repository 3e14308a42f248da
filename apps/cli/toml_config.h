/// Configuration files in TOML.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace trifold::apps {

/// Reads flat TOML whose keys are the long names of flags, such as `round-epochs = 2`. Flags on the
/// command line win over the file, the file over what is built in.
class TomlConfig : public CLI::Config {
 public:
  explicit TomlConfig(const CLI::App& app) : app_(app) {}
  /// All options with their values, as TOML.
  std::string to_config(const CLI::App* app, bool default_also, bool write_description,
                        std::string prefix) const override;
  /// Errors    ConfigError: not TOML, a table, or an unknown key; the text names line and nearest
  /// key.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

 private:
  const CLI::App& app_;
};

/// The known name that is nearest to `name` by edit distance, or "".
std::string nearest(const std::string& name, const std::vector<std::string>& known);

/// The long names of an app's options, its parents' included.
std::vector<std::string> long_names(const CLI::App& app);

}  // namespace trifold::apps
