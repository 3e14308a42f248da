#include "apps/train/ranks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>

#include "apps/cli/exit_code.h"
#include "apps/train/meeting.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/memory.h"

namespace trifold::apps {
namespace {

// What all ranks say, rank 0 says. What else this one says goes into `spoken`.
void be_silent(const Descriptor& spoken) {
  const Descriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  ::dup2(nowhere.number(), STDOUT_FILENO);
  ::dup2(spoken.number(), STDERR_FILENO);
}

// The sentence of the error that stands at the end of a text in memory; empty where none does.
std::string last_error(const Descriptor& spoken) {
  constexpr std::string_view start = "error: ";
  std::array<char, 4096> end;  // an error's line is shorter
  const off_t size = ::lseek(spoken.number(), 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - std::ssize(end));
  const ssize_t count = ::pread(spoken.number(), end.data(), end.size(), from);
  const std::string_view text(end.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  const std::size_t at = text.rfind(start);
  if (at == std::string_view::npos) return "";
  return std::string(text.substr(at + start.size(), text.find('\n', at) - at - start.size()));
}

}  // namespace

void RanksOptions::add_to(OptionSet& app) {
  app.add_option(
         "--ranks", count,
         "Processes that train together, each on shards of its own of a batch; on one machine "
         "they share the --threads: 1, 2, 4, ...")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  app.add_option("--rank", rank,
                 "--meet: which of them this is, from 0 on; rank 0 alone speaks and writes")
      ->check(CLI::Range(0, 255))
      ->type_name("N")
      ->configurable(false);
  app.add_option("--meet", meet,
                 "Where rank 0 waits for the others, which are started one by one, on any machine "
                 "that sees the same files; mpi: an MPI launcher has started them")
      ->type_name("HOST:PORT")
      ->configurable(false);
  app.add_option(
         "--rank-timeout", timeout_s,
         "--ranks: how long the others wait for a rank that doesn't answer before they end as "
         "where it is killed; longer than one may read its data, or rank 0 write files, while "
         "they wait (1800)")
      ->check(CLI::Range(1, 604800))
      ->type_name("SECONDS")
      ->configurable(false);
}

std::chrono::seconds RanksOptions::patience() const {
  return timeout_s ? std::chrono::seconds(*timeout_s) : kernels::default_patience;
}

Ranks::Ranks(const RanksOptions& options)
    : one_machine_(options.one_machine()), patience_(options.patience()) {
  require<ConfigError>(std::has_single_bit(static_cast<unsigned>(options.count)),
                       "--ranks is {}; give 1, 2, 4, 8 or another power of two", options.count);
  require<ConfigError>(
      !options.timeout_s || options.count > 1 || options.by_mpi(),
      "--rank-timeout is for two or more --ranks, which wait for each other; leave it out");
  if (options.by_mpi()) {
    join_by_mpi(options);
    return;
  }
  require<ConfigError>(options.one_machine() == (options.rank < 0),
                       "--rank and --meet go together: give both, or leave out both");
  if (options.count == 1) return;
  if (options.one_machine()) {
    fork_others(options.count);
    return;
  }
  constexpr std::chrono::minutes until_met(2);
  std::vector<int> sockets =
      meet(options.rank, options.count, MeetingPlace::parse(options.meet), until_met);
  group_ = std::make_unique<kernels::Collective>(
      kernels::socket_links(options.rank, std::move(sockets), patience_));
}

void Ranks::join_by_mpi(const RanksOptions& options) {
  require<ConfigError>(options.rank < 0,
                       "--meet mpi: MPI says which rank this is; leave out --rank");
  kernels::MpiPlace place = kernels::join_mpi(patience_);
  const int ranks = place.links->ranks();
  require<ConfigError>(options.count == 1 || options.count == ranks,
                       "--ranks is {}, but MPI has started {}; give the same, or leave out --ranks",
                       options.count, ranks);
  local_rank_ = place.local_rank;
  group_ = std::make_unique<kernels::Collective>(std::move(place.links));
}

void Ranks::fork_others(int count) {
  const std::vector<std::vector<int>> sockets = kernels::local_sockets(count);
  int own = 0;
  for (int rank = 1; rank < count; ++rank) {
    spoken_.emplace_back(::memfd_create("trifold-rank", MFD_CLOEXEC));
    const pid_t process = ::fork();
    if (process == 0) {
      own = rank;
      others_.clear();
      break;
    }
    if (process > 0) {
      others_.push_back(process);
      continue;
    }
    const int problem = errno;  // those that were started find their links closed
    for (const std::vector<int>& ends : sockets) {
      for (const int end : ends) ::close(end);
    }
    end_others();
    throw Error(fmt::format("a process for rank {} can't be started ({}); give fewer --ranks", rank,
                            std::strerror(problem)));
  }
  // An end that stays open here would hide that its owner is gone.
  for (int rank = 0; rank < count; ++rank) {
    if (rank == own) continue;
    for (const int end : sockets[static_cast<std::size_t>(rank)]) ::close(end);
  }
  local_rank_ = own;
  group_ = std::make_unique<kernels::Collective>(
      kernels::socket_links(own, sockets[static_cast<std::size_t>(own)], patience_));
  if (own != 0) be_silent(spoken_.back());
}

Ranks::~Ranks() {
  group_.reset();
  end_others();
}

// It had to be killed, and didn't end in the last moment by itself.
bool Ranks::Ending::silent() const { return killed && !(known && WIFEXITED(status)); }

kernels::Exec Ranks::exec(DeviceOptions& device) const {
  if (const std::optional<int> first = device.gpu(); first && one_machine_ && group_) {
    const int gpus = kernels::device_count(DeviceKind::cuda);
    require<ConfigError>(*first + count() <= gpus,
                         "{} ranks take a GPU each, from number {} on, and this machine has {}; "
                         "give fewer --ranks",
                         count(), *first, gpus);
  }
  const kernels::Exec ex = device.exec(one_machine_ ? count() : 1, local_rank_);
  if (group_ && ex.device.kind == DeviceKind::cuda) group_->link_gpus(ex.device);
  return ex;
}

bool Ranks::any(bool flag) const {
  if (!group_) return flag;
  double raised = flag ? 1 : 0;
  group_->sum(std::span<double>(&raised, 1));
  return raised > 0;
}

Ranks::Loss Ranks::describe_loss(const kernels::RankLostError& loss) {
  if (others_.empty()) return {loss.what(), exit_stopped};
  const int ranks = count();
  group_.reset();  // the others can't go on either
  const std::vector<Ending> endings = end_others();
  std::vector<std::size_t> silent;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    const int status = endings[i].status;
    if (endings[i].silent()) {
      silent.push_back(i + 1);
    } else if (WIFSIGNALED(status)) {
      return {fmt::format("signal {} has ended rank {} of {}", WTERMSIG(status), i + 1, ranks),
              exit_stopped};
    } else if (WEXITSTATUS(status) != exit_stopped) {
      // Those that have lost another say so by that code.
      const std::string why = last_error(spoken_[i]);
      const int code = WEXITSTATUS(status);
      return {fmt::format("rank {} of {} has ended with exit code {}{}", i + 1, ranks, code,
                          why.empty() ? "" : fmt::format(" ({})", why)),
              code};
    }
  }
  if (silent.empty()) return {loss.what(), exit_stopped};
  const bool one = silent.size() == 1;
  return {fmt::format("{} {} of {} {} not answered for {} s, and had to be killed",
                      one ? "rank" : "ranks", fmt::join(silent, ", "), ranks, one ? "has" : "have",
                      patience_.count()),
          exit_stopped};
}

// The end of their links has them end, unless one hangs; as rank 0 alone writes, it takes nothing with
// it. One whose call of the system doesn't return, as on a stuck file system, outlives even SIGKILL,
// until it does.
std::vector<Ranks::Ending> Ranks::end_others() {
  std::vector<Ending> endings(others_.size());
  if (!wait_for_others(endings, std::chrono::seconds(10))) {
    for (std::size_t i = 0; i < endings.size(); ++i) {
      if (endings[i].known) continue;
      endings[i].killed = true;
      ::kill(others_[i], SIGKILL);
    }
    wait_for_others(endings, std::chrono::seconds(5));
  }
  others_.clear();
  return endings;
}

// Whether all have ended before the time is up.
bool Ranks::wait_for_others(std::vector<Ending>& endings, std::chrono::seconds limit) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point until = Clock::now() + limit;
  for (;;) {
    bool all = true;
    for (std::size_t i = 0; i < endings.size(); ++i) {
      Ending& e = endings[i];
      e.known = e.known || ::waitpid(others_[i], &e.status, WNOHANG) != 0;
      all = all && e.known;
    }
    if (all || Clock::now() >= until) return all;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace trifold::apps
