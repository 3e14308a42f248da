/// Sums over processes that train together: the ranks of a group, which all make the same calls in the
/// same order.
///
/// Test tests/kernels/collective_test.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/runtime/exec.h"
#include "kernels/runtime/links.h"

namespace trifold::kernels {

/// A rank's place in its group.
class Collective {
 public:
  explicit Collective(std::unique_ptr<Links> links);

  int rank() const { return links_->rank(); }
  int ranks() const { return links_->ranks(); }

  /// x = sum of the ranks' x, element by element, by the binary tree over the ranks in their order:
  /// (x0 + x1) + (x2 + x3).
  /// Shapes    the same on all ranks.
  /// Effects   overwrites x, with the same bits on all ranks; done on return, once all have called it.
  /// Errors    RankLostError: another rank has ended, or doesn't answer; x is then unusable.
  /// Numerics  rounded after each sum. A tree over equal parts of a larger one: ranks that each sum
  ///           their part by a binary tree give the sum of the tree over all.
  void sum(std::span<double> x) const;

  /// The same of `count` numbers on ex.device; the bits don't depend on the device.
  void sum(const Exec& ex, std::int64_t count, float* x) const;

  /// Whether all ranks have called it with the same number, which may be any.
  /// Errors    RankLostError.
  bool all_equal(std::uint32_t number) const;

  /// Has sums on `device`, this rank's own GPU, go from GPU to GPU from now on, where all ranks have
  /// NCCL; else they go through the host. Returns which.
  /// Errors    RankLostError. DeviceError: NCCL refuses, as it does where two ranks name one GPU.
  bool link_gpus(Device device);

 private:
  void exchange(const Exec& ex, int peer, const float* out, float* in, std::int64_t count) const;

  std::unique_ptr<Links> links_;
  std::unique_ptr<DeviceLinks> gpu_links_;
};

}  // namespace trifold::kernels
