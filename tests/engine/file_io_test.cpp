/// Files are replaced whole or not at all.
#include "engine/file_io.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

namespace fs = std::filesystem;

struct AtomicWrite : testing::Test {
  fs::path folder = fs::temp_directory_path() / ("trifold-file-io-" + std::to_string(getpid()));
  fs::path file = folder / "file";

  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }

  std::string content() const {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  }
};

TEST_F(AtomicWrite, MakesAndReplacesAFile) {
  write_file_atomically(file, "first, and longer");
  EXPECT_EQ(content(), "first, and longer");
  const std::string binary("a\0b\n", 4);
  write_file_atomically(file, binary);
  EXPECT_EQ(content(), binary);
  write_file_atomically(file, "");
  EXPECT_EQ(content(), "");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicWrite, GivesTheModeThatTheUmaskLeaves) {
  const mode_t before = ::umask(027);
  write_file_atomically(file, "x");
  ::umask(before);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms{0640});
}

TEST_F(AtomicWrite, NamesAFolderThatIsNotThere) {
  const fs::path lost = folder / "nowhere" / "file";
  try {
    write_file_atomically(lost, "x");
    ADD_FAILURE() << "written";
  } catch (const WriteError& e) {
    EXPECT_NE(std::string(e.what()).find(lost.string()), std::string::npos) << e.what();
  }
}

TEST_F(AtomicWrite, LeavesTheOldContentWhereTheNewDoesNotFit) {
  write_file_atomically(file, "old");
  // A limit on the size of files stops the write in its midst, as a full disk would.
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1 << 16, before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(write_file_atomically(file, std::string(1 << 20, 'x')), WriteError);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(content(), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicWrite, WhatAKillLeavesIsFoundByItsNameAlone) {
  fs::create_directories(folder / "below" / "more");
  const std::set<std::string> others = {"file", "x.partial", "x.abcdef.partial.txt",
                                        "x.ab-def.partial", "x.abcdefg.partial"};
  for (const std::string& name : others) std::ofstream(folder / name) << "mine";
  fs::create_symlink(file, folder / "x.linked.partial");
  fs::create_directory(folder / "x.folder.partial");
  for (const char* name :
       {"x.abcdef.partial", "below/a.b.ABC123.partial", "below/more/y.000000.partial"}) {
    std::ofstream(folder / name) << "half";
  }
  const fs::path later = folder / "x.later0.partial";  // of a process that is at work
  std::ofstream(later) << "half";
  fs::last_write_time(later, fs::file_time_type::clock::now() + std::chrono::hours(1));
  remove_temporary_files(folder);
  EXPECT_TRUE(fs::remove(later));
  std::set<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) left.insert(entry.path().lexically_relative(folder).string());
  }
  std::set<std::string> expected = others;
  expected.insert("x.linked.partial");
  EXPECT_EQ(left, expected);
  EXPECT_TRUE(fs::is_directory(folder / "x.folder.partial"));
  remove_temporary_files(folder / "nowhere");
}

TEST_F(AtomicWrite, WhatWasWrittenIsReadWhole) {
  std::string bytes("a\0b\n", 4);
  for (const std::size_t size : {0, 4, (1 << 16) - 1, 1 << 16, 200'000}) {
    bytes.resize(size, 'x');
    write_file_atomically(file, bytes);
    EXPECT_EQ(read_file(file, size), bytes) << size;
  }
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  ASSERT_EQ(std::system(("echo text >" + (folder / "pipe").string() + " &").c_str()), 0);
  EXPECT_EQ(read_file(folder / "pipe", 100), "text\n");
}

// The memory of this process has a page at address 0 that can't be read.
TEST_F(AtomicWrite, WhatCannotBeReadIsNamedWithTheReason) {
  write_file_atomically(file, "four");
  const auto refused = [](const fs::path& path, std::size_t most_bytes, const std::string& reason) {
    try {
      read_file(path, most_bytes);
      ADD_FAILURE() << path << " was read";
    } catch (const FileError& e) {
      EXPECT_EQ(e.what(), path.string() + ": " + reason);
    }
  };
  refused(file, 3, "it has more than 3 bytes");
  refused("/dev/zero", 1000, "it has more than 1000 bytes");
  refused(folder, 100, "the file can't be read (Is a directory)");
  refused(folder / "lost", 100, "the file can't be read (No such file or directory)");
  refused("/proc/self/mem", 100, "the file can't be read (Input/output error)");
}

// The name of the temporary file is one that remove_temporary_files() knows.
TEST_F(AtomicWrite, AKillInItsMidstLeavesNothingForGood) {
  const pid_t child = ::fork();
  if (child == 0) {
    // Without a handler, the signal of the limit on the size of files ends the process.
    const rlimit none{0, 0}, small{1 << 16, 1 << 16};
    ::setrlimit(RLIMIT_CORE, &none);
    ::setrlimit(RLIMIT_FSIZE, &small);
    write_file_atomically(file, std::string(1 << 20, 'x'));
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(entries(), 1);
  EXPECT_FALSE(fs::exists(file));
  remove_temporary_files(folder);
  EXPECT_EQ(entries(), 0);
}

}  // namespace
}  // namespace trifold::engine
