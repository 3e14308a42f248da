/// Ranks on several machines: how they find each other, and what they say where they can't.
#include "apps/train/meeting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <span>
#include <thread>

#include "kernels/collective.h"
#include "kernels/runtime/error_types.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

using namespace std::chrono_literals;
using apps::meet;
using apps::MeetingPlace;
using testing::HasSubstr;

int tcp_socket_at(int port, bool listening) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const int result =
      listening ? ::bind(socket, any, sizeof address) : ::connect(socket, any, sizeof address);
  if (result == 0) return socket;
  ::close(socket);
  return -1;
}

// A port that nobody has, as far as can be known.
int free_port() {
  const int socket = tcp_socket_at(0, true);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

MeetingPlace here(int port) { return {.host = "127.0.0.1", .port = std::to_string(port)}; }

// What a rank's call ends with: its sum over the group, or its error.
struct Outcome {
  double sum = 0;
  std::string error;
};

std::future<Outcome> come(int rank, int ranks, int port, std::chrono::milliseconds patience = 20s) {
  return std::async(std::launch::async, [=] {
    Outcome outcome;
    try {
      const kernels::Collective group(
          kernels::socket_links(rank, meet(rank, ranks, here(port), patience)));
      outcome.sum = 1 << rank;
      group.sum(std::span<double>(&outcome.sum, 1));
    } catch (const Error& e) {
      outcome.error = e.what();
    }
    return outcome;
  });
}

TEST(Meeting, LinksAllWhateverTheOrderTheyComeIn) {
  for (const int ranks : {1, 2, 4, 8}) {
    const int port = free_port();
    std::vector<std::future<Outcome>> outcomes;
    for (int i = 0; i < ranks; ++i) {
      outcomes.push_back(come(ranks - 1 - i, ranks, port));
      std::this_thread::sleep_for(20ms);
    }
    for (std::future<Outcome>& outcome : outcomes) {
      const Outcome got = outcome.get();
      EXPECT_EQ(got.error, "");
      EXPECT_EQ(got.sum, (1 << ranks) - 1);
    }
  }
}

TEST(Meeting, PassesOverStrangers) {
  const int port = free_port();
  std::future<Outcome> first = come(0, 2, port);
  int silent = -1;
  for (int i = 0; i < 500 && silent < 0; ++i) {
    std::this_thread::sleep_for(10ms);
    silent = tcp_socket_at(port, false);
  }
  ASSERT_GE(silent, 0);
  const int loud = tcp_socket_at(port, false);
  constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  EXPECT_EQ(::send(loud, request.data(), request.size(), MSG_NOSIGNAL), std::ssize(request));
  ::close(silent);
  std::future<Outcome> second = come(1, 2, port);
  EXPECT_EQ(first.get().sum, 3);
  EXPECT_EQ(second.get().sum, 3);
  ::close(loud);
}

TEST(Meeting, SaysWhoIsMissing) {
  const int port = free_port();
  std::future<Outcome> first = come(0, 4, port, 600ms), second = come(2, 4, port, 600ms);
  EXPECT_THAT(first.get().error, HasSubstr("of 4 ranks, 1, 3 have not come to 127.0.0.1:"));
  EXPECT_THAT(second.get().error, HasSubstr("rank 0 at 127.0.0.1:"));
  EXPECT_THAT(come(1, 2, free_port(), 200ms).get().error, HasSubstr("rank 0 can't be reached"));
}

TEST(Meeting, RefusesWhatDoesNotFit) {
  int port = free_port();
  std::future<Outcome> first = come(0, 4, port), second = come(1, 2, port);
  EXPECT_THAT(first.get().error, HasSubstr("rank 0 was started with --ranks 4, and rank 1 with 2"));
  EXPECT_NE(second.get().error, "");
  port = free_port();
  std::vector<std::future<Outcome>> same;
  for (const int rank : {0, 1, 1}) same.push_back(come(rank, 4, port));
  EXPECT_THAT(same[0].get().error, HasSubstr("two processes were started with --rank 1"));
  EXPECT_NE(same[1].get().error, "");
  EXPECT_NE(same[2].get().error, "");
  EXPECT_THAT(come(4, 4, port).get().error, HasSubstr("--rank is 4; give a number from 0 to 3"));
  EXPECT_THAT(come(0, 3, port).get().error, HasSubstr("--ranks is 3"));
  port = free_port();
  const int taken = tcp_socket_at(port, true);
  ASSERT_EQ(::listen(taken, 1), 0);
  EXPECT_THAT(come(0, 2, port).get().error, HasSubstr("give a port that is free"));
  ::close(taken);
}

TEST(Meeting, ReadsAPlace) {
  const MeetingPlace plain = MeetingPlace::parse("node1:29500"),
                     v6 = MeetingPlace::parse("[::1]:80");
  EXPECT_EQ(plain.host, "node1");
  EXPECT_EQ(plain.port, "29500");
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.port, "80");
  for (const char* wrong :
       {"", "node1", ":1", "node1:", "node1:http", "node1:0", "node1:65536", "node1:-1"}) {
    EXPECT_THROW(MeetingPlace::parse(wrong), ConfigError) << wrong;
  }
}

struct TrainingOfSeveral : testing::Test {
  TempFolder folder;
  std::string data = tiny_idx(folder);
  std::string place = "127.0.0.1:" + std::to_string(free_port());

  std::future<Result> start(int rank, const std::string& out,
                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"--batch",  "8",  "--ranks", "2",
                                    "--shards", "4",  "--rank",  std::to_string(rank),
                                    "--meet",   place};
    all.insert(all.end(), more.begin(), more.end());
    return std::async(std::launch::async, [words = tiny_training(data, folder / out, all)] {
      return run_program("train", words);
    });
  }
};

TEST_F(TrainingOfSeveral, HasTheBitsOfOneMachine) {
  std::future<Result> first = start(0, "two"), second = start(1, "two");
  const Result leading = first.get(), other = second.get();
  ASSERT_EQ(leading.code, 0) << leading.err;
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(other.out, "");
  const Result alone =
      run_program("train", tiny_training(data, folder / "one", {"--batch", "8", "--shards", "4"}));
  ASSERT_EQ(alone.code, 0) << alone.err;
  const std::string model = read_text(folder / "one/model.safetensors");
  EXPECT_FALSE(model.empty());
  EXPECT_TRUE(model == read_text(folder / "two/model.safetensors"));
}

TEST_F(TrainingOfSeveral, RefusesThatTheyTrainDifferently) {
  std::future<Result> first = start(0, "run"), second = start(1, "run", {"--lr", "0.01"});
  for (const Result& result : {first.get(), second.get()}) {
    EXPECT_EQ(result.code, 2) << result.err;
    EXPECT_TRUE(one_error(result, "the 2 ranks don't train the same")) << result.err;
  }
}

TEST_F(TrainingOfSeveral, RefusesThatOneDoesNotSeeTheCheckpoint) {
  std::future<Result> first = start(0, "run", {"--time-limit", "0.00001"}),
                      second = start(1, "run");
  EXPECT_EQ(first.get().code, 75);
  EXPECT_EQ(second.get().code, 75);
  // The second begins anew, elsewhere.
  first = start(0, "run", {"--resume"});
  second = start(1, "elsewhere");
  EXPECT_TRUE(one_error(first.get(), "have all see the checkpoint"));
  EXPECT_EQ(second.get().code, 2);
}

TEST_F(TrainingOfSeveral, EndsWithAnyOfThem) {
  const std::vector<std::string> endless = {"--epochs", "100000"};
  std::future<Result> first = start(0, "run", endless);
  // One that finds its data missing, say.
  std::future<Result> second =
      start(1, "run", {"--epochs", "100000", "--init", "none.safetensors"});
  EXPECT_EQ(second.get().code, 3);
  ASSERT_EQ(first.wait_for(30s), std::future_status::ready);
  const Result result = first.get();
  EXPECT_EQ(result.code, 75);
  EXPECT_TRUE(one_error(result, "rank 1 of 2 has ended")) << result.err;
}

TEST_F(TrainingOfSeveral, EndsWhereOneHangsAndGoesOnToTheSameBits) {
  const std::vector<std::string> asked = {"--epochs", "60", "--rank-timeout", "2"};
  std::future<Result> first = start(0, "two", asked), second = start(1, "two", asked);
  const pid_t process = holder_of(folder / "two");
  ASSERT_GT(process, 0);
  kill(process, SIGSTOP);
  const bool ended = second.wait_for(60s) == std::future_status::ready;
  kill(process, SIGCONT);  // it finds the other gone
  const Result lost = second.get(), late = first.get();
  EXPECT_TRUE(ended);
  EXPECT_EQ(lost.code, 75);
  EXPECT_TRUE(one_error(lost, "rank 0 of 2 has not answered for 2 s; it hangs")) << lost.err;
  EXPECT_EQ(late.code, 75);
  EXPECT_TRUE(one_error(late, "rank 1 of 2 has ended")) << late.err;
  first = start(0, "two", {"--epochs", "60", "--resume"});
  second = start(1, "two", {"--epochs", "60", "--resume"});
  const Result leading = first.get(), other = second.get();
  ASSERT_EQ(leading.code, 0) << leading.err;
  ASSERT_EQ(other.code, 0) << other.err;
  const Result alone = run_program(
      "train",
      tiny_training(data, folder / "one", {"--batch", "8", "--shards", "4", "--epochs", "60"}));
  ASSERT_EQ(alone.code, 0) << alone.err;
  const std::string model = read_text(folder / "one/model.safetensors");
  EXPECT_FALSE(model.empty());
  EXPECT_TRUE(model == read_text(folder / "two/model.safetensors"));
}

TEST_F(TrainingOfSeveral, NeedsBothPlaceAndRank) {
  for (const std::vector<std::string>& half :
       {std::vector<std::string>{"--rank", "0"}, {"--meet", "127.0.0.1:29500"}}) {
    std::vector<std::string> all = {"--ranks", "2"};
    all.insert(all.end(), half.begin(), half.end());
    const Result result = run_program("train", tiny_training(data, folder / "run", all));
    EXPECT_EQ(result.code, 2);
    EXPECT_TRUE(one_error(result, "--rank and --meet go together")) << result.err;
  }
}

}  // namespace
}  // namespace trifold::apps_test
