/// A sum over ranks beside the work that makes its terms.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/collective.h"

namespace trifold::nn {

/// The sum over the ranks of a group of an array that is finished piece by piece: a thread of its own,
/// on a GPU a stream of its own, too, exchanges pieces while later ones are being made. Nothing else
/// of the group may be called meanwhile.
class RankSum {
 public:
  /// `x` lies on ex.device; `group` outlives this.
  RankSum(const kernels::Collective& group, const kernels::Exec& ex, float* x);
  /// Waits for the pieces that were added.
  ~RankSum();
  RankSum(const RankSum&) = delete;
  RankSum& operator=(const RankSum&) = delete;

  /// x[first, first + count) is this rank's term once the work is done that `ex` was given so far.
  /// All ranks add the same pieces in the same order.
  void add(std::int64_t first, std::int64_t count);

  /// Returns when all pieces that were added are sums, for the work that `ex` is given from now on.
  /// Errors    those of Collective::sum; x is then unusable.
  void finish();

 private:
  struct Piece {
    std::int64_t first, count;
    kernels::DeviceEvent* made;
  };
  void run();
  void sum(const Piece& piece);
  void end();

  const kernels::Collective& group_;
  kernels::Exec ex_;  // of the thread
  kernels::DeviceStream* made_on_;
  float* x_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> waiting_;
  bool ended_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace trifold::nn
