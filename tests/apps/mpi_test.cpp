/// Ranks that an MPI launcher has started.
#include <gtest/gtest.h>

#include <future>

#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

struct MpiTraining : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);

  std::vector<std::string> words(const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> all = {"--batch", "8"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny_training(data, folder / out, all);
  }

#ifdef TRIFOLD_MPIEXEC
  void SetUp() override {
    // Open MPI's own words for: as root, and on fewer processors than ranks.
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
  }

  Result launch(const std::string& ranks, const std::string& out,
                const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = words(out, {"--meet", "mpi"});
    all.insert(all.end(), more.begin(), more.end());
    all.insert(all.begin(), {"-n", ranks, path_of_program("train")});
    return run_program(TRIFOLD_MPIEXEC, all);
  }
#endif
};

#ifdef TRIFOLD_MPIEXEC
TEST_F(MpiTraining, HasTheBitsOfOneProcess) {
  const Result alone = run_program("train", words("alone", {"--shards", "4"}));
  ASSERT_EQ(alone.code, 0) << alone.err;
  const std::string expected = read_text(folder / "alone/model.safetensors");
  EXPECT_FALSE(expected.empty());
  for (const char* ranks : {"2", "4"}) {
    const Result several = launch(ranks, ranks);
    ASSERT_EQ(several.code, 0) << several.err;
    EXPECT_TRUE(expected == read_text(folder / ranks / "model.safetensors")) << ranks;
  }
}

TEST_F(MpiTraining, StopsAfterACheckpointAndGoesOn) {
  const Result alone = run_program("train", words("alone", {"--shards", "4"}));
  ASSERT_EQ(alone.code, 0) << alone.err;
  const Result stopped = launch("2", "run", {"--time-limit", "0.00001"});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  const Result resumed = launch("2", "run", {"--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(read_text(folder / "alone/model.safetensors") ==
              read_text(folder / "run/model.safetensors"));
}

TEST_F(MpiTraining, TheErrorOfOneEndsAll) {
  // Rank 1 alone, while the other waits for it.
  std::vector<std::string> all = {"-n", "1", path_of_program("train")};
  for (const bool last : {false, true}) {
    const std::vector<std::string> own = words(
        "run", {"--meet", "mpi", "--epochs", "100000", "--init", last ? "none.safetensors" : ""});
    all.insert(all.end(), own.begin(), own.end());
    if (!last) all.insert(all.end(), {":", "-n", "1", path_of_program("train")});
  }
  const Result wrong = run_program(TRIFOLD_MPIEXEC, all);
  EXPECT_EQ(wrong.code, 3) << wrong.err;
  EXPECT_NE(wrong.err.find("none.safetensors"), std::string::npos) << wrong.err;
}

TEST_F(MpiTraining, ARankThatHangsEndsAll) {
  std::future<Result> run = std::async(std::launch::async, [&] {
    return launch("2", "run", {"--epochs", "100000", "--rank-timeout", "2"});
  });
  const pid_t first = holder_of(folder / "run");
  ASSERT_GT(first, 0);
  kill(first, SIGSTOP);
  const bool ended = run.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  if (!ended) kill(first, SIGKILL);
  const Result result = run.get();
  EXPECT_TRUE(ended);
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_NE(result.err.find("rank 0 of 2 has not answered for 2 s"), std::string::npos)
      << result.err;
}

TEST_F(MpiTraining, RefusesWhatDoesNotFit) {
  const Result uneven = launch("3", "run");
  EXPECT_EQ(uneven.code, 2) << uneven.err;
  EXPECT_NE(uneven.err.find("MPI has started 3 ranks; start 1, 2, 4"), std::string::npos)
      << uneven.err;
  const Result other = launch("2", "run", {"--ranks", "4"});
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_NE(other.err.find("--ranks is 4, but MPI has started 2"), std::string::npos) << other.err;
}
#else
TEST_F(MpiTraining, IsRefusedByABuildWithoutIt) {
  const Result result = run_program("train", words("run", {"--meet", "mpi"}));
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(one_error(result, "configure it with -DTRIFOLD_MPI=ON")) << result.err;
}
#endif

}  // namespace
}  // namespace trifold::apps_test
