#include "engine/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <system_error>

#include "engine/descriptor.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

// Behind six letters that make the name unique.
constexpr std::string_view temporary_suffix = ".partial";

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw WriteError(fmt::format("{} can't be written: {}", path.string(), std::strerror(errno)));
}

}  // namespace

TemporaryFile::~TemporaryFile() {
  if (!renamed) ::unlink(name.c_str());
}

bool has_name(int file, const std::filesystem::path& path) {
  struct stat opened = {}, named = {};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

void write_all(int file, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_file(const std::filesystem::path& path, std::size_t most_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto require_read = [&path](bool done) {
    require<FileError>(done, "{}: the file can't be read ({})", path.string(),
                       std::strerror(errno));
  };
  require_read(file.number() >= 0);
  std::string bytes;
  struct stat status = {};
  if (::fstat(file.number(), &status) == 0) {  // pipes have no size
    bytes.reserve(std::min(static_cast<std::size_t>(status.st_size), most_bytes));
  }
  std::array<char, 1 << 16> block;
  for (;;) {
    const ssize_t got = ::read(file.number(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    require_read(got >= 0);
    if (got == 0) return bytes;
    const auto count = static_cast<std::size_t>(got);
    require<FileError>(count <= most_bytes - bytes.size(), "{}: it has more than {} bytes",
                       path.string(), most_bytes);
    bytes.append(block.data(), count);
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string name =
      (folder / (path.filename().string() + ".XXXXXX")).string() + std::string(temporary_suffix);
  const Descriptor file(::mkostemps(name.data(), std::ssize(temporary_suffix), O_CLOEXEC));
  if (file.number() < 0) fail(path);
  TemporaryFile temporary{name};

  // mkstemp gives the owner alone access; files get what the umask leaves of 0666, as usual.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.number(), 0666 & ~mask) != 0) fail(path);
  write_all(file.number(), bytes, path);
  if (::fsync(file.number()) != 0) fail(path);
  if (::rename(name.c_str(), path.c_str()) != 0) fail(path);
  temporary.renamed = true;

  // The new name is on the disk only once the folder is.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0 || ::fsync(directory.number()) != 0) fail(path);
}

void append_to_file(const std::filesystem::path& path, std::string_view bytes) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.number() < 0) fail(path);
  write_all(file.number(), bytes, path);
  if (::fsync(file.number()) != 0) fail(path);
}

void remove_temporary_files(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  static const std::regex pattern(R"(.+\.[A-Za-z0-9]{6}\.partial)");
  const auto begun = fs::file_time_type::clock::now();
  std::error_code failure;
  for (fs::recursive_directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    const bool is_file = entry->is_regular_file(ignored) && !entry->is_symlink(ignored);
    if (!is_file || !std::regex_match(entry->path().filename().string(), pattern)) continue;
    const fs::file_time_type written = entry->last_write_time(ignored);
    if (!ignored && written <= begun) fs::remove(entry->path(), ignored);
  }
}

}  // namespace trifold::engine
