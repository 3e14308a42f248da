/// Configuration files: TOML with one key an option.
#pragma once

#include <string>
#include <vector>

namespace trifold::apps {

struct ConfigEntry {
  std::string key;
  std::string value;  ///< as a flag would give it
  std::string place;  ///< "FILE:LINE"
};

/// Reads a file whose keys are all among `keys`.
/// Errors    ConfigError naming file and line: not readable, not TOML, an unknown key (the text
///           names the nearest), a value that is not a string, number or boolean.
std::vector<ConfigEntry> read_config_file(const std::string& path,
                                          const std::vector<std::string>& keys);

/// `text`, which is UTF-8, as a TOML value that read_config_file gives back to the letter: a boolean
/// or a usual number as it is, else in quotes.
std::string toml_value(const std::string& text);

}  // namespace trifold::apps
