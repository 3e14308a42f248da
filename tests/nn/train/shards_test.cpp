/// Batches in shards: the bits don't depend on the ranks that share them.
#include "nn/train/shards.h"

#include <thread>
#include <vector>

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
    const std::vector<std::vector<int>> links = kernels::local_links(ranks);
    std::vector<Network> networks;
    for (int rank = 0; rank < ranks; ++rank) networks.push_back(fresh());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        const auto own = static_cast<std::size_t>(rank);
        const kernels::Collective group(rank, links[own]);
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

TEST_F(ShardsTest, RefuseWhatCannotBeDealtOut) {
  Network network = fresh();
  TrainOptions o = sharded();
  o.shards = options().batch + 1;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
  o = sharded();
  o.graph = true;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
  const kernels::Collective alone(0, {});
  o = options();
  o.ranks = &alone;
  EXPECT_THROW(Trainer(network, data, normalisation, 8, o, {}), ConfigError);
}

}  // namespace
}  // namespace trifold::nn
