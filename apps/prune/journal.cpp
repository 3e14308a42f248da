#include "apps/prune/journal.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <system_error>

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
      {"pad", "--pad and --augment"},  {"flip", "--flip and --augment"},
      {"streamed", "--stream"}};
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

std::string hexadecimal(uLong crc) { return fmt::format("{:08x}", crc); }

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

Journal::Journal(std::filesystem::path folder, const json& settings)
    : folder_(std::move(folder)), settings_(settings) {
  if (std::filesystem::exists(settings_file(folder_))) require_same_settings();
  refresh();
  require<FileError>(steps_.empty() || std::filesystem::exists(settings_file(folder_)),
                     "{}: the journal is missing, but there are steps; {}",
                     settings_file(folder_).string(), another_out);
}

void Journal::require_same_settings() const {
  const std::string file = settings_file(folder_).string();
  json document;
  try {
    document = engine::read_json(file);
  } catch (const FileError& e) {
    throw FileError(fmt::format("{}, so the journal is damaged; {}", e.what(), another_out));
  }
  require<FileError>(
      document.is_object() && document.contains("settings") && document["settings"].is_object(),
      "{}: the journal has no 'settings', so it is damaged or of another version; {}", file,
      another_out);
  for (const auto& [key, value] : settings_.items()) {
    const json found = document["settings"].value(key, json());
    require<ConfigError>(found == value, "{}: {}, or another --out", file,
                         difference(key, found, value));
  }
}

void Journal::refresh() {
  namespace fs = std::filesystem;
  const fs::path records = folder_ / "steps";
  if (!fs::exists(records)) return;
  std::error_code failure;
  for (fs::directory_iterator entry(records, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const fs::path& file = entry->path();
    if (file.extension() == ".json" && read_.insert(file.filename()).second) read(file);
  }
  require<FileError>(!failure, "{}: the folder can't be read ({})", records.string(),
                     failure.message());
}

void Journal::read(const std::filesystem::path& file) {
  json document;
  try {
    document = engine::read_json(file);
  } catch (const FileError& e) {
    throw FileError(fmt::format("{}; {}", e.what(), remedy()));
  }
  for (const char* part : {"step", "result", "crc32"}) {
    if (!document.is_object() || !document.contains(part)) {
      refuse(file, fmt::format("it has no '{}'", part));
    }
  }
  const std::string step =
      document["step"].is_string() ? document["step"].get<std::string>() : std::string();
  if (!is_step_name(step) || record_file(folder_, step).filename() != file.filename()) {
    refuse(file, "it is another step's");
  }
  if (document["crc32"] != checksum(step, document["result"])) {
    refuse(file, "it doesn't hold what was recorded");
  }
  steps_[step] = std::move(document["result"]);
}

std::vector<std::string> Journal::steps() const {
  std::vector<std::string> names;
  for (const auto& [step, result] : steps_.items()) names.push_back(step);
  return names;
}

const json& Journal::record(const std::string& step) const {
  const auto found = steps_.find(step);
  require<ConfigError>(found != steps_.end(), "{}: the step '{}' has to be done first",
                       folder_.string(), step);
  return *found;
}

// A step that runs again ends with the same bits, but for what was decided by measured times.
std::string Journal::remedy() const {
  return settings_.contains("latency_batch") ? another_out
                                             : "remove the file, and the step runs again";
}

void Journal::refuse(const std::filesystem::path& file, const std::string& why) const {
  throw FileError(
      fmt::format("{}: the step's record is damaged ({}); {}", file.string(), why, remedy()));
}

void Journal::add(const std::string& step, json result) {
  if (!std::filesystem::exists(settings_file(folder_))) write_settings(folder_, settings_);
  write_record(folder_, step, result);
  read_.insert(record_file(folder_, step).filename());
  steps_[step] = std::move(result);
}

}  // namespace trifold::apps
