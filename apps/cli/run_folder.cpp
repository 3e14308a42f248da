#include "apps/cli/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "apps/cli/lease.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

namespace fs = std::filesystem;

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

HeldFile::HeldFile(const fs::path& path)
    : path_(path.string()), file_(open_locked(path_, refusal_)) {
  const std::string folder = path.parent_path().string();
  const Holder holder = read_holder(file_.number()), self = this_process();
  require<Error>(refusal_ != EWOULDBLOCK,
                 "{}: {} is working in this folder; wait for its end, or give another --out",
                 folder, holder.name());
  // Where a lock is got, no process of this machine holds it. It may not reach further, and some
  // file systems have none.
  const bool dead = refusal_ == 0 && holder.on_machine_of(self);
  require<Error>(holder.process.empty() || dead,
                 "{}: {} was working in this folder, and whether it still does can't be told from "
                 "here; if not, remove {}",
                 folder, holder.name(), path_);
  if (!write_whole(file_.number(), self.text())) {
    const int reason = errno;
    ::unlink(path_.c_str());
    throw engine::WriteError(
        fmt::format("{}: can't be written ({})", path_, std::strerror(reason)));
  }
}

HeldFile::~HeldFile() {
  if (has_name(file_.number(), path_)) ::unlink(path_.c_str());  // while it is locked
}

RunFolder::RunFolder(fs::path path)
    : path_(std::move(path)), made_(path_), lock_(path_ / "run.lock") {
  // Those of a process that shares the work are in use; one that starts to from here on writes later.
  if (!any_lease_is_held(path_ / "leases")) engine::remove_temporary_files(path_);
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
