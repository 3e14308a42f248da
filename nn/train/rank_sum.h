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

/// Sums over the ranks of a group of arrays that are finished piece by piece: a thread of its own, on a
/// GPU a stream of its own, too, exchanges pieces while later ones are being made. Between the first
/// add() and finish() nothing else of the group may be called.
class RankSum {
 public:
  /// Of arrays on ex.device; `group` outlives this.
  RankSum(const kernels::Collective& group, const kernels::Exec& ex);
  /// Waits for the pieces that were added.
  ~RankSum();
  RankSum(const RankSum&) = delete;
  RankSum& operator=(const RankSum&) = delete;

  /// x[0, count) is this rank's term once the work is done that `ex` was given so far. All ranks add
  /// the same pieces in the same order.
  void add(std::int64_t count, float* x);

  /// Returns when all pieces that were added are sums, for the work that `ex` is given from now on.
  /// Errors    those of Collective::sum; the pieces, and this, are then unusable.
  void finish();
  /// The same without the error, for a caller that has one of its own.
  void wait() noexcept;

 private:
  struct Piece {
    std::int64_t count;
    float* x;
    kernels::DeviceEvent* made;
  };
  void run();
  void sum(const Piece& piece);

  const kernels::Collective& group_;
  kernels::Exec ex_;  // of the thread
  kernels::DeviceStream* made_on_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> unfinished_;  // the first is in work
  bool ended_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace trifold::nn
