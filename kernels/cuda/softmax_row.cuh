/// The softmax of a row of logits, worked by a warp, in double.
#pragma once

#include "kernels/cuda/vector.cuh"
#include "kernels/softmax_cross_entropy.h"

namespace trifold::kernels::cuda {

constexpr int warp = 32, warps = 4;
constexpr unsigned every_lane = 0xffffffffu;

/// One warp a row.
inline dim3 blocks_of(const SoftmaxShape& s) { return blocks_in_row(div_up(s.n, warps)); }

__device__ __forceinline__ int own_lane() { return static_cast<int>(threadIdx.x) % warp; }

/// The row that this thread's warp owns; it may lie behind the last.
__device__ __forceinline__ std::int64_t own_row() {
  return static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp;
}

/// The sum over a warp, in every lane, always added in the same order.
__device__ __forceinline__ double warp_sum(double value) {
  for (int away = warp / 2; away > 0; away /= 2) {
    value += __shfl_xor_sync(every_lane, value, away);
  }
  return value;
}

/// softmax(z / T) of one row, which the lanes of a warp make together: each reads every 32nd logit.
class SoftmaxRow {
 public:
  __device__ SoftmaxRow(const float* z, std::int64_t classes, double temperature)
      : z_(z), sharpness_(1 / temperature) {
    // The largest logit and the first class that has it.
    float top = -INFINITY;
    std::int64_t largest = classes;
    for (std::int64_t j = own_lane(); j < classes; j += warp) {
      if (z[j] > top) {
        top = z[j];
        largest = j;
      }
    }
    for (int away = warp / 2; away > 0; away /= 2) {
      const float other = __shfl_xor_sync(every_lane, top, away);
      const std::int64_t other_class = __shfl_xor_sync(every_lane, largest, away);
      if (other > top || (other == top && other_class < largest)) {
        top = other;
        largest = other_class;
      }
    }
    top_ = static_cast<double>(top);
    for (std::int64_t j = own_lane(); j < classes; j += warp) {
      if (j != largest) rest_ += exp(-gap(j));
    }
    rest_ = warp_sum(rest_);
    log_sum_ = log1p(rest_);
  }

  /// How far logit j is below the largest, as a multiple of T.
  __device__ double gap(std::int64_t j) const {
    return (top_ - static_cast<double>(z_[j])) * sharpness_;
  }
  /// log(probability(j) / q.probability(j)), where both have one T. Of equal rows it is 0, also where
  /// the compiler contracts products and sums: what is subtracted has no product yet.
  __device__ double log_ratio(const SoftmaxRow& q, std::int64_t j) const {
    const double below = top_ - static_cast<double>(z_[j]);
    return (q.top_ - static_cast<double>(q.z_[j]) - below) * sharpness_ + (q.log_sum_ - log_sum_);
  }
  /// The logarithm of the sum of exp(-gap). That sum without its largest term, 1, keeps the digits
  /// of a loss close to 0.
  __device__ double log_sum() const { return log_sum_; }
  __device__ double probability(std::int64_t j) const { return exp(-gap(j)) / (1 + rest_); }

 private:
  const float* z_;
  double sharpness_, top_ = 0, rest_ = 0, log_sum_ = 0;
};

/// A label as a distribution: what smoothing takes from it goes to all classes alike.
struct SmoothedTarget {
  double on, off;

  SmoothedTarget(std::int64_t classes, float smoothing)
      : on(1 - static_cast<double>(smoothing)),
        off(static_cast<double>(smoothing) / static_cast<double>(classes)) {}

  __device__ double at(std::int64_t j, std::int64_t label) const {
    return off + (j == label ? on : 0.0);
  }

  /// - sum over j of target_j log q_j, in every lane.
  __device__ double cross_entropy(const SoftmaxRow& q, std::int64_t classes,
                                  std::int64_t label) const {
    // A lane reads its own logits alone, which it may then overwrite.
    double gaps = 0, label_gap = 0;
    for (std::int64_t j = own_lane(); j < classes; j += warp) {
      gaps += q.gap(j);
      if (j == label) label_gap = q.gap(j);
    }
    double value = on * (warp_sum(label_gap) + q.log_sum());
    // A logit of -inf is harmless as long as it has no share in the target.
    if (off > 0) value += off * (warp_sum(gaps) + static_cast<double>(classes) * q.log_sum());
    return value;
  }
};

}  // namespace trifold::kernels::cuda
