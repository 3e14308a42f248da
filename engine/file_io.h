/// Files on disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "kernels/runtime/error_types.h"

namespace trifold::engine {

/// An output file that can't be written: a failure at run time, unlike a FileError, which is about
/// what a file holds. The text names the file.
class WriteError : public Error {
 public:
  using Error::Error;
};

/// The whole content of the file `path`.
/// Errors    FileError, naming the path and the reason: it can't be read, or not to its end, or holds
///           more than `most_bytes`, of which no more is read.
std::string read_file(const std::filesystem::path& path, std::size_t most_bytes);

/// Makes `bytes` the whole content of the file `path`, such that at any time, even after a crash or
/// a power loss, `path` is either what it was before or all of the new content: writes a temporary
/// file in the same folder, syncs it to the disk and renames it.
/// Errors    WriteError, naming the path and the reason; the temporary file is removed.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// Writes all of `bytes` to an open file, which errors call `path`.
/// Errors    WriteError, naming the path and the reason; a part of `bytes` may be there.
void write_all(int file, std::string_view bytes, const std::filesystem::path& path);

/// Whether `path` is a name of the open file still.
bool has_name(int file, const std::filesystem::path& path);

/// Removes a file at the end of its scope, unless it has got its final name.
struct TemporaryFile {
  std::string name;
  bool renamed = false;
  ~TemporaryFile();
};

/// Appends `bytes` to the file `path`, made where it is missing, and syncs it to the disk.
/// Errors    WriteError, naming the path and the reason; a part of `bytes` may be there.
void append_to_file(const std::filesystem::path& path, std::string_view bytes);

/// Removes the temporary files that killed processes have left in a folder and those below it, but none
/// that is written from the call on. What can't be removed stays.
void remove_temporary_files(const std::filesystem::path& folder);

}  // namespace trifold::engine
