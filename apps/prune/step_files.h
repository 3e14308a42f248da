/// The files of a run folder that belong to one step each.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace trifold::apps {

/// Ends a sentence about a run that can't be gone on with.
inline constexpr const char* another_out = "start again with another --out";

/// What the run was asked for, under the key "settings": a journal's first file.
std::filesystem::path settings_file(const std::filesystem::path& folder);
/// What a step recorded.
std::filesystem::path record_file(const std::filesystem::path& folder, const std::string& step);
/// How far its training is, and where that rolls back to.
std::filesystem::path checkpoint_file(const std::filesystem::path& folder, const std::string& step);
std::filesystem::path rollback_file(const std::filesystem::path& folder, const std::string& step);

/// The name of a step's files without their ending, such as collect-depth-1.
std::string file_stem(std::string step);
/// Whether a text from a file may be the name of a step, so that its files lie where they should.
bool is_step_name(const std::string& text);

/// CRC-32 of what a step recorded, under its name.
std::string checksum(const std::string& step, const nlohmann::json& result);

/// Writes the record of a step, or the settings; makes the folder of the records.
/// Errors    WriteError.
void write_record(const std::filesystem::path& folder, const std::string& step,
                  const nlohmann::json& result);
void write_settings(const std::filesystem::path& folder, const nlohmann::json& settings);

/// Removes the checkpoint of a step that is done.
void remove_checkpoint(const std::filesystem::path& folder, const std::string& step);

/// Makes a folder in the run folder, unless it is there.
/// Errors    WriteError.
void make_folder_in(const std::filesystem::path& run_folder, const std::string& name);

}  // namespace trifold::apps
