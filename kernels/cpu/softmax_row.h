/// The softmax of a row of logits, in double: a batch has few logits beside its activations, and a
/// confident net's loss needs the digits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/runtime/error.h"
#include "kernels/softmax_cross_entropy.h"

namespace trifold::kernels::cpu {

/// softmax(z / T) for one row after the other.
class SoftmaxRow {
 public:
  explicit SoftmaxRow(std::int64_t classes, double temperature = 1)
      : classes_(classes), sharpness_(1 / temperature), power_(static_cast<std::size_t>(classes)) {}

  void set(const float* z) {
    z_ = z;
    const std::int64_t largest = std::max_element(z, z + classes_) - z;
    top_ = z[largest];
    rest_ = 0;
    for (std::int64_t j = 0; j < classes_; ++j) {
      double& power = power_[static_cast<std::size_t>(j)];
      power = std::exp(-gap(j));
      if (j != largest) rest_ += power;
    }
    log_sum_ = std::log1p(rest_);
  }

  /// How far logit j is below the largest, as a multiple of T.
  double gap(std::int64_t j) const { return (top_ - double{z_[j]}) * sharpness_; }
  /// log(probability(j) / q.probability(j)), where both have one T. Of equal rows it is 0, also where
  /// the compiler contracts products and sums: what is subtracted has no product yet.
  double log_ratio(const SoftmaxRow& q, std::int64_t j) const {
    return ((q.top_ - double{q.z_[j]}) - (top_ - double{z_[j]})) * sharpness_ +
           (q.log_sum_ - log_sum_);
  }
  /// The logarithm of the sum of exp(-gap). That sum without its largest term, 1, keeps the digits
  /// of a loss close to 0.
  double log_sum() const { return log_sum_; }
  double probability(std::int64_t j) const {
    return power_[static_cast<std::size_t>(j)] / (1.0 + rest_);
  }

 private:
  std::int64_t classes_;
  double sharpness_;
  std::vector<double> power_;
  const float* z_ = nullptr;
  double top_ = 0, rest_ = 0, log_sum_ = 0;
};

/// A label as a distribution: what smoothing takes from it goes to all classes alike.
struct SmoothedTarget {
  std::int64_t classes;
  double on, off;

  SmoothedTarget(std::int64_t of_classes, float smoothing)
      : classes(of_classes),
        on(1.0 - double{smoothing}),
        off(double{smoothing} / static_cast<double>(classes)) {}

  double at(std::int64_t j, std::int64_t label) const { return off + (j == label ? on : 0.0); }

  /// - sum over j of target_j log q_j.
  double cross_entropy(const SoftmaxRow& q, std::int64_t label) const {
    double value = on * (q.gap(label) + q.log_sum());
    // A logit of -inf is harmless as long as it has no share in the target.
    if (off > 0) {
      double gaps = 0;
      for (std::int64_t j = 0; j < classes; ++j) gaps += q.gap(j);
      value += off * (gaps + static_cast<double>(classes) * q.log_sum());
    }
    return value;
  }
};

/// Errors    ShapeError: an extent < 1, a label outside [0, classes).
inline void check_labels(const SoftmaxShape& s, const std::int32_t* labels) {
  kernels::check(s);
  for (std::int64_t i = 0; i < s.n; ++i) {
    require<ShapeError>(labels[i] >= 0 && labels[i] < s.classes,
                        "label {} of row {} is outside [0, {})", labels[i], i, s.classes);
  }
}

/// An exponential costs as much as many plain operations, hence ranges of fewer elements.
constexpr std::int64_t operations_per_exponential = 16;

}  // namespace trifold::kernels::cpu
