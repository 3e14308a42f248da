#include "nn/train/running_totals.h"

#include "kernels/runtime/memory.h"

namespace trifold::nn {

using kernels::Totals;

RunningTotals::RunningTotals(const kernels::Exec& ex)
    : ex_(ex), totals_(ex.device, sizeof(Totals)) {
  set({});
}

void RunningTotals::add(const engine::Tensor& logits, const engine::Tensor& labels,
                        const engine::Tensor& loss) {
  kernels::add_to_totals(ex_, {labels.size(), logits.shape().channels()}, logits.data(),
                         labels.ints(), loss.data(), static_cast<Totals*>(totals_.data()));
}

Totals RunningTotals::read() const {
  Totals totals;
  kernels::copy_memory(Device{}, &totals, ex_.device, totals_.data(), sizeof(Totals));
  return totals;
}

void RunningTotals::set(const Totals& totals) {
  kernels::copy_memory(ex_.device, totals_.data(), Device{}, &totals, sizeof(Totals));
}

}  // namespace trifold::nn
