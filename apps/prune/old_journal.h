/// Run folders whose journal.json holds all steps, as they once were.
#pragma once

#include <filesystem>

namespace trifold::apps {

/// Whether the folder's journal.json holds steps.
/// Errors    FileError: it can't be read.
bool has_old_journal(const std::filesystem::path& folder);

/// Gives each step of such a folder the file of its own that Journal reads, and the checkpoint of a
/// training in work the name of its step; other folders stay as they are. The old file is replaced
/// last, so that all is done once more where this is interrupted. Nobody else may be at work there.
/// Errors    FileError: the old file, or the checkpoint, is damaged. WriteError.
void split_old_journal(const std::filesystem::path& folder);

}  // namespace trifold::apps
