/// What appears on the screen: progress at a terminal, and messages where there is no room for them.
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <new>
#include <regex>
#include <stdexcept>
#include <thread>

#include "apps/cli/exit_code.h"
#include "apps/cli/text.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

int shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Runs `train` on a terminal of `columns`, which becomes one of `later` columns once a bar was
// drawn; returns all that was written, a string for either width.
std::vector<std::string> on_terminal(int columns, int later,
                                     const std::vector<std::string>& words) {
  const std::string program = std::string(TRIFOLD_BIN_DIR) + "/train";
  std::vector<std::string> all = words;
  all.insert(all.begin(), program);
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  winsize size{24, static_cast<unsigned short>(columns), 0, 0};
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    setenv("TERM", "xterm", 1);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  std::vector<std::string> written(1);
  char piece[4096];
  for (ssize_t n; (n = read(terminal, piece, sizeof piece)) > 0;) {
    written.back().append(piece, static_cast<std::size_t>(n));
    if (written.size() == 1 && written[0].find("\x1b[K") != std::string::npos) {
      size.ws_col = static_cast<unsigned short>(later);
      ioctl(terminal, TIOCSWINSZ, &size);
      written.emplace_back();
    }
  }
  close(terminal);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << written.back();
  return written;
}

// The lines that a terminal redraws in place, in columns.
std::vector<int> redrawn(const std::string& text) {
  const std::string plain = std::regex_replace(text, std::regex("\x1b\\[[0-9;]*[A-Za-z]"), "");
  std::vector<int> columns;
  std::size_t start = 0;
  for (std::size_t end; (end = plain.find_first_of("\r\n", start)) != std::string::npos;
       start = end + 1) {
    const std::string line = plain.substr(start, end - start);
    if (line.find("Training r") == std::string::npos) continue;
    // All characters of a bar are one column wide: count those that begin one.
    columns.push_back(
        static_cast<int>(std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; })));
  }
  return columns;
}

TEST(Progress, FitsTheTerminalThoughItIsResized) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  int run = 0;
  for (const auto& [before, after] : {std::pair{200, 60}, {60, 34}, {34, 100}, {20, 12}}) {
    const std::vector<std::string> written =
        on_terminal(before, after,
                    {"--arch", "resnet20", "--data", data, "--batch", "1", "--threads", "1",
                     "--epochs", "3", "--out", (folder / std::to_string(run++)).string()});
    ASSERT_EQ(written.size(), 2u);
    const std::vector<int> later = redrawn(written[1]);
    ASSERT_GT(later.size(), 2u);
    for (int columns : redrawn(written[0])) EXPECT_LT(columns, before);
    // A drawing may have been under way.
    for (std::size_t i = 2; i < later.size(); ++i) EXPECT_LT(later[i], after);
    const std::regex half_a_number("loss [0-9]*[.]?[0-9]{0,3}[\r\n]");
    EXPECT_FALSE(std::regex_search(written[0] + written[1], half_a_number));
    EXPECT_EQ(written[1].find("·") != std::string::npos, after == 100);
  }
}

TEST(Text, IsCutByColumns) {
  EXPECT_EQ(apps::fit_columns("batches", 4), "batc");
  EXPECT_EQ(apps::fit_columns("█████", 3), "███");
  EXPECT_EQ(apps::fit_columns("字字字", 5), "字字");
  EXPECT_EQ(apps::fit_columns("u\xcc\x88u\xcc\x88", 1), "u\xcc\x88");
  EXPECT_EQ(apps::fit_columns("x\xff\xffy", 3), "x\xff\xff");
  EXPECT_EQ(apps::fit_columns("all", 80), "all");
  EXPECT_EQ(apps::fit_columns("none", 0), "");
  EXPECT_EQ(apps::columns_of("字█a\xcc\x81"), 4);
}

struct TakesMemoryWhenItGoes {
  ~TakesMemoryWhenItGoes() { fail(); }
  void (*fail)();
};

// The library for JSON takes memory in its destructors, where nothing may be thrown.
TEST(Messages, SayThatMemoryIsMissingWhereverItIs) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto fail = +[] { throw std::bad_alloc(); };
  const std::vector<std::function<int()>> bodies = {[&]() -> int { throw std::bad_alloc(); },
                                                    [&] { return TakesMemoryWhenItGoes{fail}, 0; },
                                                    [&]() -> int {
                                                      const TakesMemoryWhenItGoes going{fail};
                                                      throw std::bad_alloc();
                                                    },
                                                    [&] { return std::thread(fail).join(), 0; }};
  for (const auto& body : bodies) {
    EXPECT_EXIT(std::exit(apps::run_app(body)), testing::ExitedWithCode(1),
                "^error: not enough memory; use a smaller --batch or a smaller network\n$")
        << &body - bodies.data();
  }
  const auto other = [&] {
    return TakesMemoryWhenItGoes{+[] { throw std::runtime_error("other"); }}, 0;
  };
  EXPECT_EXIT(apps::run_app(other), testing::KilledBySignal(SIGABRT), "terminate called");
}

TEST(Messages, ThatCannotBeWrittenEndNothing) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder), bin = "'" TRIFOLD_BIN_DIR "'";
  int run = 0;
  for (const std::string to : {"2>/dev/full", "2>&-", "2>&- >&- <&-"}) {
    const std::string out = (folder / std::to_string(run++)).string();
    EXPECT_EQ(shell(bin + "/train --nonsense " + to), 2) << to;
    EXPECT_EQ(shell(bin + "/inspect /no/such " + to), 3) << to;
    const bool closed = to.find(">&- <") != std::string::npos;
    EXPECT_EQ(shell(bin + "/train --arch resnet8 --batch 6 --epochs 2 --threads 1 --data " + data +
                    " --out " + out + " " + to + (closed ? "" : " >/dev/null")),
              closed ? 1 : 0)
        << to;
    // None of it went into another file.
    for (const auto& file : fs::directory_iterator(out)) {
      const std::string text = read_text(file.path());
      EXPECT_FALSE(text.starts_with("epoch 1/2") || text.starts_with("error")) << file.path();
    }
    EXPECT_EQ(shell(bin + "/inspect " + out + "/model.safetensors >/dev/null " + to),
              closed ? 1 : 0);
  }
}

TEST(Signals, AHangUpStopsAfterACheckpointUnlessItIsIgnored) {
  const TempFolder folder;
  const std::string data = tiny_cifar(folder);
  const auto words = tiny_training(data, folder / "run", {"--epochs", "100000"});
  const Result stopped = run_program("train", words, {SIGHUP, std::chrono::milliseconds(1500)});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_TRUE(fs::exists(folder / "run/checkpoint.safetensors"));
  signal(SIGHUP, SIG_IGN);  // as nohup does
  const Result whole =
      run_program("train", tiny_training(data, folder / "other", {"--epochs", "30"}),
                  {SIGHUP, std::chrono::milliseconds(100)});
  signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(whole.code, 0) << whole.err;
}

TEST(Threads, ThatDoNotFitIntoMemoryAreASentence) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than the limit leaves";
#endif
  const TempFolder folder;
  const int code =
      shell("ulimit -v 4000000; '" TRIFOLD_BIN_DIR "'/train --threads 1000 --arch resnet8 --data " +
            tiny_cifar(folder) + " --out " + (folder / "run").string() + " 2>" +
            (folder / "err").string());
  EXPECT_EQ(code, 1);
  EXPECT_TRUE(one_error({code, "", read_text(folder / "err")}, "1000 CPU threads can't be started"))
      << read_text(folder / "err");
}

}  // namespace
}  // namespace trifold::apps_test
