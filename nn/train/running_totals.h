/// The loss and the accuracy of many batches, summed where they are computed.
#pragma once

#include <cstdint>

#include "engine/tape.h"
#include "kernels/softmax_cross_entropy.h"

namespace trifold::nn {

/// kernels::Totals on a device: adding a batch moves nothing to the host.
class RunningTotals {
 public:
  /// Starts at zero.
  explicit RunningTotals(const kernels::Exec& ex);

  /// Adds a batch with its logits (n,classes), labels (n) and mean loss (1).
  void add(const engine::Tensor& logits, const engine::Tensor& labels, const engine::Tensor& loss);

  /// Waits for the device.
  kernels::Totals read() const;
  void set(const kernels::Totals& totals);

 private:
  kernels::Exec ex_;
  engine::Buffer totals_;
};

}  // namespace trifold::nn
