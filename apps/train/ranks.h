/// The processes of one machine that train together.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/collective.h"

namespace trifold::apps {

/// --ranks. The process that was started is rank 0, which speaks and writes; the others do the same
/// work on shards of their own, in silence.
class Ranks {
 public:
  /// Forks all but rank 0: from here on each of them runs. To be called before there are threads.
  /// Errors    ConfigError: `count` is no power of two. Error: the system refuses.
  explicit Ranks(int count);
  /// Rank 0 waits for the others' ends, which notice its own.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  bool leads() const { return !group_ || group_->rank() == 0; }
  int count() const { return group_ ? group_->ranks() : 1; }
  /// For nn::TrainOptions; null where there is one process alone.
  const kernels::Collective* group() const { return group_.get(); }

  /// Whether `flag` is set on any of them: the same answer for all, once all have asked.
  /// Errors    kernels::RankLostError: one of them has ended.
  bool any(bool flag) const;

  /// Of rank 0, after a RankLostError: what has ended which of the others. Ends them all.
  std::string describe_loss();

 private:
  std::vector<int> wait();  // statuses, as of waitpid(), by rank from 1 on

  std::unique_ptr<kernels::Collective> group_;
  std::vector<pid_t> others_;  // of rank 0: the processes of ranks 1, 2, ...
};

}  // namespace trifold::apps
