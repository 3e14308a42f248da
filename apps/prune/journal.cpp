#include "apps/prune/journal.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <fstream>

#include "engine/file_io.h"
#include "kernels/error.h"

namespace trifold::apps {

using nlohmann::json;

std::string crc32_of_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  require<FileError>(stream.is_open(), "{}: the file can't be opened for reading", path.string());
  uLong crc = ::crc32(0, nullptr, 0);
  std::array<char, 1 << 16> block;
  while (stream.read(block.data(), block.size()) || stream.gcount() > 0) {
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(block.data()),
                  static_cast<uInt>(stream.gcount()));
  }
  return fmt::format("{:08x}", crc);
}

Journal::Journal(std::filesystem::path path, const json& settings)
    : path_(std::move(path)), settings_(settings) {
  if (!std::filesystem::exists(path_)) return;
  std::ifstream stream(path_);
  const json document = json::parse(stream, nullptr, /*allow_exceptions=*/false);
  require<FileError>(document.is_object() && document.contains("settings") &&
                         document.contains("steps") && document["steps"].is_object(),
                     "{}: the journal is damaged; start again with another --out", path_.string());
  for (const auto& [key, value] : settings_.items()) {
    const json found = document["settings"].value(key, json());
    require<ConfigError>(found == value,
                         "{}: the run was started with {} = {}, not {}; give the same options or "
                         "another --out",
                         path_.string(), key, found.dump(), value.dump());
  }
  steps_ = document["steps"];
}

const json& Journal::at(const std::string& step) const {
  const auto found = steps_.find(step);
  require<ConfigError>(found != steps_.end(), "{}: the step '{}' has to be done first",
                       path_.parent_path().string(), step);
  return *found;
}

const json& Journal::run(const std::string& step, const std::function<json()>& work) {
  if (!has(step)) {
    json result = work();
    steps_[step] = std::move(result);
    write();
  }
  return steps_.at(step);
}

void Journal::write() const {
  const json document = {{"settings", settings_}, {"steps", steps_}};
  engine::write_file_atomically(path_, document.dump(1) + "\n");
}

}  // namespace trifold::apps
