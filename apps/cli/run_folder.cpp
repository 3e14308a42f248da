#include "apps/cli/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

namespace fs = std::filesystem;

// Who holds a file. A boot has a name of its own, which all containers of a machine share, while
// each of them has its own name of the host.
struct Holder {
  std::string process, host, boot;

  std::string name() const {
    return process.empty() ? "another process" : fmt::format("process {} on {}", process, host);
  }
  std::string text() const { return fmt::format("{}\nboot {}\n", name(), boot); }
};

Holder this_process() {
  std::array<char, 256> host{};
  Holder holder{fmt::format("{}", ::getpid()), "?", "?"};
  if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0')
    holder.host = host.data();
  std::ifstream("/proc/sys/kernel/random/boot_id") >> holder.boot;
  return holder;
}

// Empty where the file is, which has just been made.
Holder read_holder(int file) {
  std::array<char, 1024> bytes{};
  const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
  std::istringstream text(std::string(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
  Holder holder;
  std::string word;
  text >> word >> holder.process >> word >> holder.host >> word >> holder.boot;
  return holder;
}

bool has_name(int file, const std::string& path) {
  struct stat opened = {}, named = {};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// Opens the file, made where it is missing, and tries to lock it: 0, or the reason why not. A holder
// that has just ended may have taken the name away from the file that was opened here.
int open_locked(const std::string& path, int& refusal) {
  for (;;) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    require<engine::WriteError>(file >= 0, "{}: can't be written ({})", path, std::strerror(errno));
    refusal = ::flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (has_name(file, path)) return file;
    ::close(file);
  }
}

// A write may take a part of the text, which is no error.
bool write_whole(int file, std::string_view text) {
  for (off_t at = 0; !text.empty();) {
    const ssize_t written = ::pwrite(file, text.data(), text.size(), at);
    if (written <= 0) return false;
    at += written;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

MadeFolders::MadeFolders(const fs::path& folder) {
  std::error_code failure;
  for (fs::path path = folder; !path.empty() && !fs::exists(path, failure);
       path = path.parent_path()) {
    made_.push_back(path);
  }
  fs::create_directories(folder, failure);
  require<engine::WriteError>(!failure, "{}: the folder can't be made ({})", folder.string(),
                              failure.message());
}

MadeFolders::~MadeFolders() {
  for (const fs::path& folder : made_) {
    if (::rmdir(folder.c_str()) != 0) break;  // it is in use
  }
}

HeldFile::Descriptor::~Descriptor() { ::close(number); }

HeldFile::HeldFile(const fs::path& path) : path_(path.string()) {
  int refusal = 0;
  file_.number = open_locked(path_, refusal);
  const std::string folder = path.parent_path().string();
  const Holder holder = read_holder(file_.number), self = this_process();
  require<Error>(refusal != EWOULDBLOCK,
                 "{}: {} is working in this folder; wait for its end, or give another --out",
                 folder, holder.name());
  // Where a lock is got, no process of this machine holds it. It may not reach further, and some
  // file systems have none.
  const bool dead = refusal == 0 && (holder.boot == self.boot || holder.host == self.host);
  require<Error>(holder.process.empty() || dead,
                 "{}: {} was working in this folder, and whether it still does can't be told from "
                 "here; if not, remove {}",
                 folder, holder.name(), path_);
  if (::ftruncate(file_.number, 0) != 0 || !write_whole(file_.number, self.text())) {
    const int reason = errno;
    ::unlink(path_.c_str());
    throw engine::WriteError(
        fmt::format("{}: can't be written ({})", path_, std::strerror(reason)));
  }
}

HeldFile::~HeldFile() {
  if (has_name(file_.number, path_)) ::unlink(path_.c_str());  // while it is locked
}

RunFolder::RunFolder(fs::path path)
    : path_(std::move(path)), made_(path_), lock_(path_ / "run.lock") {
  engine::remove_temporary_files(path_);
}

void RunFolder::require_free(const std::vector<std::string>& traces, bool resume) const {
  for (const std::string& trace : traces) {
    require<ConfigError>(resume || !fs::exists(path_ / trace),
                         "{} already holds a run ({}); give --resume to go on with it, or another "
                         "--out",
                         path_.string(), trace);
  }
}

void RunFolder::write_config(const std::string& config) const {
  engine::write_file_atomically(path_ / "config.toml", config);
}

}  // namespace trifold::apps
