/// Batches in shards: the bits don't depend on the ranks that share them.
#include "nn/train/shards.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "nn/arch/architectures.h"
#include "tests/nn/train/trainer_support.h"

namespace trifold::nn {
namespace {

using namespace training_test;

class ShardsTest : public TrainerTest {
 protected:
  TrainOptions sharded() {
    TrainOptions o = options();
    o.shards = 4;
    return o;
  }

  // The networks of all ranks after a run.
  std::vector<Network> trained(int ranks) {
    const std::vector<std::vector<int>> links = kernels::local_sockets(ranks);
    std::vector<Network> networks;
    for (int rank = 0; rank < ranks; ++rank) networks.push_back(fresh());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto own = static_cast<std::size_t>(rank);
        const kernels::Collective group(kernels::socket_links(rank, links[own]));
        TrainOptions o = sharded();
        o.ranks = &group;
        Trainer trainer(networks[own], data, normalisation, 8, o, {});
        run_to_end(trainer);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return networks;
  }
};

TEST_F(ShardsTest, AnyNumberOfRanksHasTheBitsOfOne) {
  Network alone = fresh();
  Trainer trainer(alone, data, normalisation, 8, sharded(), {});
  run_to_end(trainer);
  Network whole = fresh();
  Trainer unsharded(whole, data, normalisation, 8, options(), {});
  run_to_end(unsharded);
  EXPECT_FALSE(equal(alone, whole)) << "the shards had no batch statistics of their own";
  for (const int ranks : {1, 2, 4}) {
    for (const Network& network : trained(ranks)) {
      EXPECT_TRUE(equal(alone, network)) << ranks << " ranks";
    }
  }
}

TEST_F(ShardsTest, ResumeBitByBit) {
  Network whole = fresh();
  Trainer reference(whole, data, normalisation, 8, sharded(), {});
  run_to_end(reference);
  Network first = fresh();
  Trainer stopped(first, data, normalisation, 8, sharded(), {});
  stopped.run_epoch([](const Progress&) { return false; });
  stopped.save(checkpoint);
  Network second = fresh();
  Trainer trainer(second, data, normalisation, 8, sharded(), {});
  trainer.restore(checkpoint);
  run_to_end(trainer);
  EXPECT_TRUE(equal(whole, second));

  Network other = fresh();
  Trainer unsharded(other, data, normalisation, 8, options(), {});
  EXPECT_THROW(unsharded.restore(checkpoint), OtherRunError);
}

// Of other statistics, the sums of the whole batch in another order: rounding apart it is the same.
TEST_F(ShardsTest, SynchronisedStatisticsAreThoseOfTheWholeBatch) {
  TrainOptions o = options();
  o.epochs = 1;
  Network whole = fresh();
  Trainer reference(whole, data, normalisation, 8, o, {});
  run_to_end(reference);
  o.shards = 2;
  const auto trained_by_two = [&](bool synchronised) {
    const std::vector<std::vector<int>> sockets = kernels::local_sockets(2);
    std::vector<Network> networks;
    networks.push_back(fresh());
    networks.push_back(fresh());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        const auto own = static_cast<std::size_t>(rank);
        const kernels::Collective group(kernels::socket_links(rank, sockets[own]));
        TrainOptions of_rank = o;
        of_rank.ranks = &group;
        of_rank.synchronised = synchronised;
        Trainer trainer(networks[own], data, normalisation, 8, of_rank, {});
        run_to_end(trainer);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(equal(networks[0], networks[1]));
    return std::move(networks[0]);
  };
  const auto largest_difference = [&](const Network& other) {
    double largest = 0;
    for (std::size_t i = 0; i < whole.parameters().size(); ++i) {
      const auto a = whole.parameters()[i].var.value.values();
      const auto b = other.parameters()[i].var.value.values();
      for (std::size_t k = 0; k < a.size(); ++k) {
        largest = std::max(largest, std::abs(static_cast<double>(a[k]) - b[k]));
      }
    }
    return largest;
  };
  EXPECT_LT(largest_difference(trained_by_two(true)), 2e-4);
  EXPECT_GT(largest_difference(trained_by_two(false)), 2e-3);
}

// Links that count what goes over them.
class CountingLinks : public kernels::Links {
 public:
  CountingLinks(int rank, std::vector<int> sockets, std::atomic<int>& exchanges)
      : Links(rank, 2),
        links_(kernels::socket_links(rank, std::move(sockets))),
        exchanges_(exchanges) {}
  void exchange(int peer, const void* out, void* in, std::int64_t bytes) const override {
    links_->exchange(peer, out, in, bytes);
    ++exchanges_;
  }
  bool lost(int peer) const override { return links_->lost(peer); }

 private:
  std::unique_ptr<kernels::Links> links_;
  std::atomic<int>& exchanges_;
};

TEST_F(ShardsTest, RanksExchangeWhileTheBackwardPassRuns) {
  const std::vector<std::vector<int>> sockets = kernels::local_sockets(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      std::atomic<int> exchanges = 0;
      const kernels::Collective group(std::make_unique<CountingLinks>(
          rank, sockets[static_cast<std::size_t>(rank)], exchanges));
      Network network(make_architecture("resnet20", 3, 10));  // of more than one piece
      int while_running = 0;
      // Gradients of one and two, from the last parameter on.
      const auto pass = [&](std::int64_t shard, const std::function<void()>& progressed) {
        auto& parameters = network.parameters();
        for (auto p = parameters.rbegin(); p != parameters.rend(); ++p) {
          if (!is_trainable(p->role)) continue;
          p->var.gradient->add(
              {}, engine::Tensor::filled(p->var.shape(), static_cast<float>(shard + 1)));
          progressed();
        }
        for (int i = 0; i < 1000 && exchanges == 0; ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        while_running = exchanges;
        return kernels::Totals{.loss = 1, .correct = shard};
      };
      const kernels::Totals totals = Shards(2, &group, {}).run(network, pass);
      EXPECT_GE(while_running, 1);
      EXPECT_GT(exchanges, while_running + 1) << "the rest, and the totals";
      EXPECT_EQ(totals.loss, 2);
      EXPECT_EQ(totals.correct, 1);
      for (const Parameter& p : network.parameters()) {
        if (!is_trainable(p.role)) continue;
        for (const float value : p.var.gradient->sum().values()) ASSERT_EQ(value, 1.5f);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The arrays of the step go with the exception, and an exchange of them is under way.
TEST_F(ShardsTest, APassThatFailsWaitsForWhatIsExchanged) {
  const std::vector<std::vector<int>> sockets = kernels::local_sockets(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      std::atomic<int> exchanges = 0;
      const kernels::Collective group(std::make_unique<CountingLinks>(
          rank, sockets[static_cast<std::size_t>(rank)], exchanges));
      Network network(make_architecture("resnet20", 3, 10));
      const auto fails = [&](std::int64_t, const std::function<void()>& progressed) {
        auto& parameters = network.parameters();
        for (auto p = parameters.rbegin(); p + 1 != parameters.rend(); ++p) {
          if (is_trainable(p->role)) {
            p->var.gradient->add({}, engine::Tensor::filled(p->var.shape(), 1));
          }
        }
        progressed();
        if (rank == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
        throw MemoryError("no memory");
        return kernels::Totals{};
      };
      EXPECT_THROW(Shards(2, &group, {}).run(network, fails), MemoryError);
      EXPECT_EQ(exchanges, 1);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ShardsTest, ALostRankIsSaidOnceTheBackwardPassIsDone) {
  const std::vector<std::vector<int>> sockets = kernels::local_sockets(2);
  ::close(sockets[1][0]);
  const kernels::Collective group(kernels::socket_links(0, sockets[0]));
  Network network = fresh();
  bool done = false;
  const auto pass = [&](std::int64_t, const std::function<void()>& progressed) {
    progressed();
    done = true;
    return kernels::Totals{};
  };
  EXPECT_THROW(Shards(2, &group, {}).run(network, pass), kernels::RankLostError);
  EXPECT_TRUE(done);
}

TEST_F(ShardsTest, RefuseWhatCannotBeDealtOut) {
  Network network = fresh();
  TrainOptions o = sharded();
  o.shards = options().batch + 1;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
  o = sharded();
  o.graph = true;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
  o = sharded();
  o.synchronised = true;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
  const kernels::Collective alone(kernels::socket_links(0, {}));
  o = options();
  o.ranks = &alone;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
