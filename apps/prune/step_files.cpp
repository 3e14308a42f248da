#include "apps/prune/step_files.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path settings_file(const fs::path& folder) { return folder / "journal.json"; }

fs::path record_file(const fs::path& folder, const std::string& step) {
  return folder / "steps" / (file_stem(step) + ".json");
}

fs::path checkpoint_file(const fs::path& folder, const std::string& step) {
  return folder / "checkpoints" / (file_stem(step) + ".safetensors");
}

fs::path rollback_file(const fs::path& folder, const std::string& step) {
  return folder / "checkpoints" / (file_stem(step) + ".rollback.safetensors");
}

std::string file_stem(std::string step) {
  std::ranges::replace(step, '/', '-');
  return step;
}

bool is_step_name(const std::string& text) {
  constexpr std::size_t longest = 100;
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789-/";
  return !text.empty() && text.size() <= longest &&
         text.find_first_not_of(letters) == std::string::npos;
}

std::string checksum(const std::string& step, const json& result) {
  const std::string text = step + "\n" + result.dump();
  return fmt::format("{:08x}",
                     ::crc32(::crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()),
                             static_cast<uInt>(text.size())));
}

void write_record(const fs::path& folder, const std::string& step, const json& result) {
  make_folder_in(folder, "steps");
  const json document = {{"step", step}, {"result", result}, {"crc32", checksum(step, result)}};
  engine::write_file_atomically(record_file(folder, step), document.dump(1) + "\n");
}

void write_settings(const fs::path& folder, const json& settings) {
  make_folder_in(folder, "steps");  // whose name reaches the disk with that of the journal
  const json document = {{"settings", settings}};
  engine::write_file_atomically(settings_file(folder), document.dump(1) + "\n");
}

void remove_checkpoint(const fs::path& folder, const std::string& step) {
  std::error_code absent;
  fs::remove(checkpoint_file(folder, step), absent);
}

void make_folder_in(const fs::path& run_folder, const std::string& name) {
  // Not create_directories(), which would make a run's folder again, empty.
  std::error_code failure;
  fs::create_directory(run_folder / name, failure);
  require<engine::WriteError>(!failure, "{}: the folder can't be made ({})",
                              (run_folder / name).string(), failure.message());
}

}  // namespace trifold::apps
