/// Reading files that can't be trusted: plain or compressed by gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace trifold::nn {

/// A file read from front to back. Every error names the file and the place.
class ByteReader {
 public:
  virtual ~ByteReader() = default;

  /// Fills `out` with the next `count` bytes.
  /// Errors    FileError: fewer bytes are left, or the compressed data is damaged.
  virtual void read(std::uint8_t* out, std::int64_t count) = 0;

  /// Errors    FileError: bytes are left, or the checksum is wrong.
  virtual void expect_end() = 0;

  /// An upper bound of what the whole file can hold once decompressed, so that a size promised by
  /// a header can be refused before memory is asked for.
  virtual std::int64_t most_bytes() const = 0;
};

/// Opens a file; gzip is recognised by its first two bytes, whatever the name says. A gzip file may
/// have several members, which are read as one, and zero bytes behind each, as gzip(1) reads it.
/// Errors    FileError: not a regular file, or not readable.
std::unique_ptr<ByteReader> open_bytes(const std::filesystem::path& path);

/// The size of a regular file. Errors: FileError: missing, or not a regular file.
std::int64_t file_bytes(const std::filesystem::path& path);

/// A whole plain file. Errors: FileError: missing, unreadable, or above `most_bytes`.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::int64_t most_bytes);

/// The lines of a text file of at most 1 MiB without blank lines and without trailing white space.
/// Errors    FileError: as read_file.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace trifold::nn
