/// Files are replaced whole or not at all.
#include "engine/file_io.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
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

}  // namespace
}  // namespace trifold::engine
