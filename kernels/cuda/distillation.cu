/// As kernels/cuda/softmax_cross_entropy.cu: in double, and a warp a row.
#include "kernels/distillation.h"

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/softmax_row.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

/// p log(p / q) - p + q, with log_ratio = log(p / q). Both distributions sum to 1, so that these
/// terms sum to KL(p || q), too; but none is negative, and an error that all log_ratio share drops
/// out. Together that keeps the digits where p and q are nearly equal.
__device__ double divergence_term(double p, double q, double log_ratio) {
  if (p == 0) return q;
  return fabs(log_ratio) < 1 ? p * (expm1(-log_ratio) + log_ratio) : p * (log_ratio - 1) + q;
}

__global__ void __launch_bounds__(warp* warps)
    distillation_loss_kernel(std::int64_t n, std::int64_t classes, const float* z,
                             const std::int32_t* labels, SmoothedTarget target, const float* t,
                             Distillation distillation, double dz_scale, float* loss, float* dz) {
  const std::int64_t row = own_row();
  if (row >= n) return;  // the whole warp
  const double weight = distillation.weight, temperature = distillation.temperature;
  const float* const logits = z + row * classes;
  const std::int64_t label = labels[row];
  const SoftmaxRow hard(logits, classes, 1), q(logits, classes, temperature);
  const SoftmaxRow p(t + row * classes, classes, temperature);

  double divergence = 0, value = 0;
  if (weight > 0) {
    for (std::int64_t j = own_lane(); j < classes; j += warp) {
      divergence += divergence_term(p.probability(j), q.probability(j), p.log_ratio(q, j));
    }
    value = weight * temperature * temperature * warp_sum(divergence);
  }
  if (weight < 1) value += (1 - weight) * target.cross_entropy(hard, classes, label);
  if (own_lane() == 0) loss[row] = static_cast<float>(value);
  if (dz == nullptr) return;
  // dz may be z: no lane reads the logits of another.
  for (std::int64_t j = own_lane(); j < classes; j += warp) {
    double gradient = 0;
    if (weight < 1) gradient += (1 - weight) * (hard.probability(j) - target.at(j, label));
    if (weight > 0) gradient += weight * temperature * (q.probability(j) - p.probability(j));
    dz[row * classes + j] = static_cast<float>(gradient * dz_scale);
  }
}

}  // namespace

void distillation_loss(const Exec& ex, const SoftmaxShape& s, const float* z,
                       const std::int32_t* labels, float smoothing, const float* t,
                       const Distillation& distillation, float dz_scale, float* loss, float* dz) {
  kernels::check(s);
  launch(ex, "distillation_loss", distillation_loss_kernel, blocks_of(s), dim3(warp * warps), s.n,
         s.classes, z, labels, SmoothedTarget(s.classes, smoothing), t, distillation,
         static_cast<double>(dz_scale), loss, dz);
}

}  // namespace trifold::kernels::cuda
