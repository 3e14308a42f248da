#include "apps/prune/journal.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>

#include "engine/file_io.h"
#include "engine/json_text.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {

using nlohmann::json;

namespace {

// The options that decide a setting.
std::string deciding_options(const std::string& key) {
  static const std::map<std::string, std::string> names = {
      {"side", "--resolution"},        {"width_mode", "--width"},
      {"prune_depth", "--dimensions"}, {"prune_width", "--dimensions"},
      {"warmup_epochs", "--warmup"},   {"prune_resolution", "--dimensions"},
      {"pad", "--pad and --augment"},  {"flip", "--flip and --augment"}};
  if (const auto found = names.find(key); found != names.end()) return found->second;
  std::string option = "--" + key;
  std::ranges::replace(option, '_', '-');
  return option;
}

std::string difference(const std::string& key, const json& found, const json& wanted) {
  if (key == "model_crc32") {
    return fmt::format(
        "the run was started with another model, or its file has changed (its CRC-32 was {}, not "
        "{}); give that file as --model",
        found.dump(), wanted.dump());
  }
  if (key == "data_crc32" || key == "test_crc32" || key == "validation_crc32") {
    return fmt::format(
        "the run was started with other {} images; give the same {}, with the same files and "
        "options of reading them",
        key == "data_crc32" ? "training" : key.substr(0, key.find('_')),
        key == "validation_crc32" ? "--validation" : "--data");
  }
  return fmt::format("the run was started with {} = {}, not {}; give the same {}", key,
                     found.dump(), wanted.dump(), deciding_options(key));
}

// Ends the program's sentence about a journal that can't be gone on with.
constexpr const char* remedy = "start again with another --out";

std::string hexadecimal(uLong crc) { return fmt::format("{:08x}", crc); }

// CRC-32 of what a step recorded, under its name.
std::string checksum(const std::string& step, const json& record) {
  const std::string text = step + "\n" + record.dump();
  return hexadecimal(::crc32(::crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()),
                             static_cast<uInt>(text.size())));
}

json read_document(const std::filesystem::path& path) {
  try {
    return engine::read_json(path);
  } catch (const FileError& e) {
    throw FileError(fmt::format("{}, so the journal is damaged; {}", e.what(), remedy));
  }
}

}  // namespace

std::string crc32_of_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  require<FileError>(stream.is_open(), "{}: the file can't be opened for reading", path.string());
  uLong crc = ::crc32(0, nullptr, 0);
  std::array<char, 1 << 16> block;
  while (stream.read(block.data(), block.size()) || stream.gcount() > 0) {
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(block.data()),
                  static_cast<uInt>(stream.gcount()));
  }
  require<FileError>(!stream.bad(), "{}: the file can't be read", path.string());
  return hexadecimal(crc);
}

Journal::Journal(std::filesystem::path path, const json& settings)
    : path_(std::move(path)), settings_(settings) {
  if (!std::filesystem::exists(path_)) return;
  const json document = read_document(path_);
  for (const char* part : {"settings", "steps", "crc32"}) {
    require<FileError>(
        document.is_object() && document.contains(part) && document[part].is_object(),
        "{}: the journal has no '{}', so it is damaged or of another version; {}", path_.string(),
        part, remedy);
  }
  for (const auto& [key, value] : settings_.items()) {
    const json found = document["settings"].value(key, json());
    require<ConfigError>(found == value, "{}: {}, or another --out", path_.string(),
                         difference(key, found, value));
  }
  steps_ = document["steps"];
  checksums_ = document["crc32"];
  for (const auto& [step, result] : steps_.items()) {
    if (checksums_.value(step, json()) != checksum(step, result)) {
      refuse(step, "it doesn't hold what was recorded");
    }
  }
  for (const auto& [step, sum] : checksums_.items()) {
    if (!has(step)) refuse(step, "it is missing");
  }
}

std::vector<std::string> Journal::steps() const {
  std::vector<std::string> names;
  for (const auto& [step, result] : steps_.items()) names.push_back(step);
  return names;
}

const json& Journal::record(const std::string& step) const {
  const auto found = steps_.find(step);
  require<ConfigError>(found != steps_.end(), "{}: the step '{}' has to be done first",
                       path_.parent_path().string(), step);
  return *found;
}

void Journal::refuse(const std::string& step, const std::string& why) const {
  throw FileError(fmt::format("{}: the journal is damaged at the step '{}' ({}); {}",
                              path_.string(), step, why, remedy));
}

void Journal::add(const std::string& step, json result) {
  checksums_[step] = checksum(step, result);
  steps_[step] = std::move(result);
  const json document = {{"settings", settings_}, {"steps", steps_}, {"crc32", checksums_}};
  engine::write_file_atomically(path_, document.dump(1) + "\n");
}

}  // namespace trifold::apps
