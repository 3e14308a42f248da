/// Processes of this program that share a run's work.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "apps/cli/exit_code.h"
#include "apps/cli/holder.h"
#include "apps/cli/message.h"
#include "apps/prune/share.h"
#include "kernels/runtime/error.h"
#include "kernels/runtime/thread_pool.h"

namespace trifold::apps {
namespace {

// A process of this program, and what it writes to stderr.
class Worker {
 public:
  explicit Worker(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    require_none(::pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno);
    text_ = std::make_unique<Descriptor>(ends[0]);
    const Descriptor theirs(ends[1]);
    std::vector<std::string> words = arguments;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    require_none(::posix_spawn_file_actions_init(&actions));
    int problem = ::posix_spawn_file_actions_adddup2(&actions, theirs.number(), STDERR_FILENO);
    if (problem == 0) {
      problem = ::posix_spawn(&process_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
    }
    ::posix_spawn_file_actions_destroy(&actions);
    require_none(problem);
  }
  // Nobody waits for it any more.
  ~Worker() {
    if (process_ == 0) return;
    text_.reset();  // it must not wait for a reader
    stop();
    wait();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int file() const { return text_->number(); }
  void stop() const { ::kill(process_, SIGTERM); }

  // Reads what there is, and calls `hear` with each line. False: that was all.
  bool read(const std::function<void(const std::string&)>& hear) {
    std::array<char, 4096> bytes{};
    const ssize_t size = ::read(text_->number(), bytes.data(), bytes.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    rest_.append(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    for (std::size_t end = 0; (end = rest_.find('\n')) != std::string::npos;) {
      hear(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
    return size > 0;
  }

  // Its status, as of waitpid(), when it has ended.
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = 0;
    return status;
  }

 private:
  static void require_none(int problem) {
    require<Error>(problem == 0, "a worker can't be started ({}); give fewer --workers",
                   std::strerror(problem));
  }

  pid_t process_ = 0;
  std::unique_ptr<Descriptor> text_;
  std::string rest_;
};

int run_workers(const std::vector<std::string>& arguments, std::int64_t count,
                const RunCallbacks& callbacks) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::int64_t i = 0; i < count; ++i) workers.push_back(std::make_unique<Worker>(arguments));
  int code = exit_ok;
  std::string error;
  bool stopped = false;
  const auto hear = [&](const std::string& line) {
    // What every one of them says, this process has said or will.
    if (line.starts_with("note: ") || line.starts_with("stopped after")) return;
    if (!line.starts_with("error: ")) return callbacks.say(line);
    if (error.empty()) error = line;
  };
  while (!workers.empty()) {
    std::vector<pollfd> files;
    for (const auto& worker : workers) files.push_back({worker->file(), POLLIN, 0});
    ::poll(files.data(), files.size(), 100);
    for (std::size_t i = files.size(); i-- > 0;) {
      if (files[i].revents == 0 || workers[i]->read(hear)) continue;
      const int status = workers[i]->wait();
      workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(i));
      if (WIFSIGNALED(status)) {
        callbacks.say(fmt::format("signal {} has ended a worker; others take its work over",
                                  WTERMSIG(status)));
      } else if (code == exit_ok || (code == exit_stopped && WEXITSTATUS(status) != exit_ok)) {
        code = WEXITSTATUS(status);
      }
    }
    const bool failed = code != exit_ok && code != exit_stopped;
    if (!stopped && (failed || callbacks.stop_requested())) {
      stopped = true;
      for (const auto& worker : workers) worker->stop();
    }
  }
  if (code == exit_ok || code == exit_stopped) return code;
  if (error.empty()) error = fmt::format("error: a worker has ended with exit code {}", code);
  message(error + "\n");
  return code;
}

}  // namespace

int have_workers_do(const PruneRun& run, const std::string& stage,
                    const std::vector<std::string>& more) {
  run.journal.at<PlanResult>("plan");  // which each of them would miss
  const std::int64_t threads = std::max<std::int64_t>(1, run.ex.pool->threads() / run.workers);
  std::vector<std::string> words = {"prune",
                                    stage,
                                    "--worker",
                                    "--workers",
                                    "1",
                                    "--config",
                                    (run.folder / "config.toml").string(),
                                    "--out",
                                    run.folder.string(),
                                    "--threads",
                                    std::to_string(threads),
                                    "--profile",
                                    ""};
  words.insert(words.end(), more.begin(), more.end());
  return run_workers(words, run.workers, run.callbacks);
}

}  // namespace trifold::apps
