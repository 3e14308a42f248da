#include "engine/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

// An open file that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Removes a file at the end of its scope, unless it has got its final name.
struct TemporaryFile {
  std::string name;
  bool renamed = false;
  ~TemporaryFile() {
    if (!renamed) ::unlink(name.c_str());
  }
};

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw WriteError(fmt::format("{} can't be written: {}", path.string(), std::strerror(errno)));
}

void write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail(path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string name = (folder / (path.filename().string() + ".XXXXXX")).string();
  const Descriptor file(::mkstemp(name.data()));
  if (file.get() < 0) fail(path);
  TemporaryFile temporary{name};

  // mkstemp gives the owner alone access; files get what the umask leaves of 0666, as usual.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.get(), 0666 & ~mask) != 0) fail(path);
  write_all(file.get(), bytes, path);
  if (::fsync(file.get()) != 0) fail(path);
  if (::rename(name.c_str(), path.c_str()) != 0) fail(path);
  temporary.renamed = true;

  // The new name is on the disk only once the folder is.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) fail(path);
}

}  // namespace trifold::engine
