/// The processes that train together: of one machine, or of several.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/holder.h"
#include "apps/cli/option_set.h"
#include "apps/cli/options.h"
#include "kernels/collective.h"

namespace trifold::apps {

/// --ranks, --rank, --meet and --rank-timeout.
struct RanksOptions {
  int count = 1;
  int rank = -1;  ///< of this process, where each was started by itself
  /// "HOST:PORT" of rank 0, or "mpi"; empty: all are on this machine, which starts them.
  std::string meet;
  std::optional<int> timeout_s;  ///< else kernels::default_patience

  void add_to(OptionSet& app);
  bool one_machine() const { return meet.empty(); }
  bool by_mpi() const { return meet == "mpi"; }
  std::chrono::seconds patience() const;
};

/// A place in the group. Rank 0 speaks and writes; the others do the same work on shards of their own,
/// in silence. Where an error ends one alone that rank 0 has started, rank 0 tells it.
class Ranks {
 public:
  /// Of one machine: forks all but rank 0, which is the process that was started; from here on each
  /// of them runs. To be called before there are threads. Else meets those that were started.
  /// Errors    ConfigError: values that don't fit each other. Error: the system refuses, or somebody
  ///           isn't there within two minutes.
  explicit Ranks(const RanksOptions& options);
  /// Rank 0 waits for the ends of those that it has started, which notice its own; it kills whoever
  /// doesn't within 10 s.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  bool leads() const { return !group_ || group_->rank() == 0; }
  int count() const { return group_ ? group_->ranks() : 1; }
  /// Where this one computes: on one machine, with its share of the --threads, and each rank on a GPU
  /// of its own, from the one that is named on. Links the GPUs with each other where NCCL is there.
  /// Errors    DeviceOptions::exec's. kernels::RankLostError.
  kernels::Exec exec(DeviceOptions& device) const;
  /// For nn::TrainOptions; null where there is one process alone.
  const kernels::Collective* group() const { return group_.get(); }

  /// Whether `flag` is set on any of them: the same answer for all, once all have asked.
  /// Errors    kernels::RankLostError: one of them has ended, or doesn't answer.
  bool any(bool flag) const;

  struct Loss {
    std::string what;  ///< what has ended which of them, or which hang, where this one knows
    int code;  ///< to end with: that rank's own where an error has ended it, else exit_stopped
  };
  /// After a RankLostError: how another was lost. Ends those that this one has started, as the
  /// destructor does.
  Loss describe_loss(const kernels::RankLostError& loss);

 private:
  // Of a process that this one has started.
  struct Ending {
    bool known = false;  // false: not even SIGKILL has ended it so far
    int status = 0;      // as of waitpid()
    bool killed = false;
    bool silent() const;
  };
  void fork_others(int count);
  void join_by_mpi(const RanksOptions& options);
  std::vector<Ending> end_others();  // by rank from 1 on
  bool wait_for_others(std::vector<Ending>& endings, std::chrono::seconds limit) const;

  bool one_machine_;
  std::chrono::seconds patience_;
  int local_rank_ = 0;  // among those of this machine, as far as that is known
  std::unique_ptr<kernels::Collective> group_;
  std::vector<pid_t> others_;       // that this one has started: ranks 1, 2, ...
  std::vector<Descriptor> spoken_;  // what each of these has said
};

}  // namespace trifold::apps
