/// Files on disk.
#pragma once

#include <filesystem>
#include <string_view>

namespace trifold::engine {

/// Makes `bytes` the whole content of the file `path`, such that at any time, even after a crash or
/// a power loss, `path` is either what it was before or all of the new content: writes a temporary
/// file in the same folder, syncs it to the disk and renames it.
/// Errors    FileError, naming the path and the reason; the temporary file is removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace trifold::engine
