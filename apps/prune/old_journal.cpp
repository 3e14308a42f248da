#include "apps/prune/old_journal.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "apps/prune/step_files.h"
#include "engine/file_io.h"
#include "engine/json_text.h"
#include "engine/safetensors.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read(const fs::path& file) {
  try {
    return engine::read_json(file);
  } catch (const FileError& e) {
    throw FileError(fmt::format("{}, so the journal is damaged; {}", e.what(), another_out));
  }
}

bool is_old(const json& document) {
  return document.is_object() && (document.contains("steps") || document.contains("crc32"));
}

void check(const fs::path& file, const json& document) {
  for (const char* part : {"settings", "steps", "crc32"}) {
    require<FileError>(document.contains(part) && document[part].is_object(),
                       "{}: the journal has no '{}', so it is damaged; {}", file.string(), part,
                       another_out);
  }
  const json &steps = document["steps"], &sums = document["crc32"];
  const auto require_good = [&](bool good, const std::string& step, const char* why) {
    require<FileError>(good, "{}: the journal is damaged at the step '{}' ({}); {}", file.string(),
                       step, why, another_out);
  };
  for (const auto& [step, result] : steps.items()) {
    require_good(is_step_name(step), step, "there is no such step");
    require_good(sums.value(step, json()) == checksum(step, result), step,
                 "it doesn't hold what was recorded");
  }
  for (const auto& [step, sum] : sums.items()) {
    require_good(steps.contains(step), step, "it is missing");
  }
}

// The step that a checkpoint says it belongs to.
std::string step_of(const fs::path& checkpoint) {
  const std::string name = checkpoint.string();
  std::string why = name + ": the checkpoint names no step";
  try {
    const engine::SafetensorsFile file = engine::read_safetensors(checkpoint);
    if (const auto position = file.metadata.find("trifold.position");
        position != file.metadata.end()) {
      const json outer = engine::parse_json(position->second, name);
      const json note = engine::parse_json(outer.at("note").get<std::string>(), name);
      if (is_step_name(note.at("step").get<std::string>())) return note.at("step");
    }
  } catch (const json::exception& e) {
    why = fmt::format("{}: the checkpoint's note: {}", name, engine::problem(e));
  } catch (const FileError& e) {
    why = e.what();
  }
  throw FileError(why + "; remove the file, and its step starts again");
}

// A checkpoint of a step that is done was left for nothing.
void give_name(const fs::path& old, const fs::path& folder, const json& steps,
               fs::path (*name)(const fs::path& folder, const std::string& step)) {
  if (!fs::exists(old)) return;
  const std::string step = step_of(old);
  std::error_code failure;
  if (steps.contains(step)) {
    fs::remove(old, failure);
  } else {
    make_folder_in(folder, "checkpoints");
    fs::rename(old, name(folder, step), failure);
  }
  require<engine::WriteError>(!failure, "{}: the file can't be moved ({})", old.string(),
                              failure.message());
}

}  // namespace

bool has_old_journal(const fs::path& folder) {
  const fs::path file = settings_file(folder);
  return fs::exists(file) && is_old(read(file));
}

void split_old_journal(const fs::path& folder) {
  const fs::path file = settings_file(folder);
  if (!fs::exists(file)) return;
  const json document = read(file);
  if (!is_old(document)) return;
  check(file, document);
  const json& steps = document["steps"];
  give_name(folder / "checkpoint.safetensors", folder, steps, checkpoint_file);
  give_name(folder / "rollback.safetensors", folder, steps, rollback_file);
  for (const auto& [step, result] : steps.items()) write_record(folder, step, result);
  write_settings(folder, document["settings"]);
}

}  // namespace trifold::apps
