#include "apps/cli/lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds limit(60);
constexpr seconds renewed_every(15);

[[noreturn]] void fail(const std::string& path) {
  throw engine::WriteError(fmt::format("{}: can't be written ({})", path, std::strerror(errno)));
}

std::string text_of_lease() {
  return fmt::format("{}free {} seconds after its last change\n", this_process().text(),
                     limit.count());
}

// For how long without a change a lease of another machine counts, which the lease says.
seconds limit_of(int file) {
  std::array<char, 1024> bytes{};
  const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
  const std::string text(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  std::istringstream words(text.substr(std::min(text.find("\nfree "), text.size())));
  std::string word;
  seconds::rep said = 0;
  words >> word >> said;
  return said >= 1 && said <= 3600 ? seconds(said) : limit;
}

// 0, or the reason why the file isn't locked.
int try_lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

// Whether the holder of a file that could be locked, or not for this reason, has certainly ended. It
// was killed as it wrote its name where that isn't whole.
bool is_dead(const Holder& holder, int refusal) {
  return refusal == 0 && (holder.boot.empty() || holder.on_machine_of(this_process()));
}

// Waits with poll(), which looks at no clock of this process.
void renew(int file, int stop) {
  pollfd stopped{stop, POLLIN, 0};
  const auto interval = static_cast<int>(std::chrono::milliseconds(renewed_every).count());
  while (::poll(&stopped, 1, interval) <= 0) ::futimens(file, nullptr);
}

}  // namespace

Lease::Lease(std::string path, Descriptor locked_file)
    : path_(std::move(path)), file_(std::move(locked_file)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  require<Error>(stop_.number() >= 0, "{}: can't be renewed ({})", path_, std::strerror(errno));
  renewal_ = std::thread(renew, file_.number(), stop_.number());
}

Lease::~Lease() {
  ::eventfd_write(stop_.number(), 1);
  renewal_.join();
  if (has_name(file_.number(), path_)) ::unlink(path_.c_str());  // while it is locked
}

Leases::Claim Leases::take(const std::string& name) {
  if (::mkdir(folder_.c_str(), 0777) != 0 && errno != EEXIST) fail(folder_.string());
  const std::string path = (folder_ / (name + ".lease")).string();
  // Of machines that don't see each other's locks, one makes the file.
  int number = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const bool made = number >= 0;
  if (!made && errno == EEXIST) number = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (number < 0) {
    if (errno == ENOENT && fs::exists(folder_))
      return {.lease = nullptr, .holder = "another process"};
    fail(path);
  }
  Descriptor file(number);
  const int refusal = try_lock(number);
  const Holder holder = read_holder(number);
  const bool is_free = refusal != EWOULDBLOCK && has_name(number, path) &&
                       (made || is_dead(holder, refusal) || is_given_up(number, path));
  if (!is_free) return {.lease = nullptr, .holder = holder.name()};
  seen_.erase(path);
  if (!write_whole(number, text_of_lease())) {
    const int reason = errno;
    ::unlink(path.c_str());
    errno = reason;
    fail(path);
  }
  return {.lease = std::make_unique<Lease>(path, std::move(file)), .holder = {}};
}

bool Leases::is_given_up(int file, const std::string& path) {
  std::error_code failure;
  const fs::file_time_type renewed = fs::last_write_time(path, failure);
  if (failure) return false;
  const auto now = std::chrono::steady_clock::now();
  Sighting& last = seen_.try_emplace(path, Sighting{renewed, now}).first->second;
  if (last.renewed != renewed) last = {renewed, now};
  return now - last.since >= limit_of(file);
}

bool any_lease_is_held(const fs::path& folder) {
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const Descriptor file(::open(entry->path().c_str(), O_RDWR | O_CLOEXEC));
    if (file.number() < 0) continue;  // it has gone
    const int refusal = try_lock(file.number());
    if (!is_dead(read_holder(file.number()), refusal)) return true;
  }
  return false;
}

}  // namespace trifold::apps
