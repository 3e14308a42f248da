/// A batch has few logits beside its activations, so that what counts is digits: in double, like
/// the CPU's. z is read a few times, from the second on from the cache; dz is written once.
#include "kernels/cuda/check.cuh"
#include "kernels/cuda/softmax_row.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

/// A warp owns a row, and each of its lanes every 32nd class of it.
__global__ void __launch_bounds__(warp* warps)
    softmax_cross_entropy_kernel(std::int64_t n, std::int64_t classes, const float* z,
                                 const std::int32_t* labels, SmoothedTarget target, double dz_scale,
                                 float* loss, float* dz) {
  const std::int64_t row = own_row();
  if (row >= n) return;  // the whole warp
  const SoftmaxRow q(z + row * classes, classes, 1);
  const double value = target.cross_entropy(q, classes, labels[row]);
  if (own_lane() == 0) loss[row] = static_cast<float>(value);
  if (dz == nullptr) return;
  for (std::int64_t j = own_lane(); j < classes; j += warp) {
    const double difference = q.probability(j) - target.at(j, labels[row]);
    dz[row * classes + j] = static_cast<float>(difference * dz_scale);
  }
}

/// Whether this warp's row is won by its label; the same in every lane.
__device__ bool is_correct(std::int64_t row, std::int64_t classes, const float* z,
                           const std::int32_t* labels) {
  const float* logits = z + row * classes;
  const std::int64_t label = labels[row];
  const float own = logits[label];
  bool wins = own == own;
  for (std::int64_t j = own_lane(); j < classes; j += warp) {
    if (j < label ? logits[j] >= own : logits[j] > own) wins = false;
  }
  return __all_sync(every_lane, wins);
}

/// A warp owns a row. Counts of whole numbers don't depend on the order of the additions.
__global__ void __launch_bounds__(warp* warps)
    count_top1_kernel(std::int64_t n, std::int64_t classes, const float* z,
                      const std::int32_t* labels, std::int32_t* correct) {
  const std::int64_t row = own_row();
  if (row >= n) return;  // the whole warp
  if (is_correct(row, classes, z, labels) && own_lane() == 0) atomicAdd(correct, 1);
}

/// As count_top1_kernel; the first thread of all adds the loss.
__global__ void __launch_bounds__(warp* warps)
    add_to_totals_kernel(std::int64_t n, std::int64_t classes, const float* z,
                         const std::int32_t* labels, const float* mean_loss, Totals* totals) {
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    totals->loss += static_cast<double>(*mean_loss) * static_cast<double>(n);
  }
  const std::int64_t row = own_row();
  if (row >= n) return;  // the whole warp
  if (is_correct(row, classes, z, labels) && own_lane() == 0) {
    atomicAdd(reinterpret_cast<unsigned long long*>(&totals->correct), 1ull);
  }
}

}  // namespace

void softmax_cross_entropy(const Exec& ex, const SoftmaxShape& s, const float* z,
                           const std::int32_t* labels, float smoothing, float dz_scale, float* loss,
                           float* dz) {
  kernels::check(s);
  launch(ex, "softmax_cross_entropy", softmax_cross_entropy_kernel, blocks_of(s),
         dim3(warp * warps), s.n, s.classes, z, labels, SmoothedTarget(s.classes, smoothing),
         static_cast<double>(dz_scale), loss, dz);
}

void count_top1(const Exec& ex, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                std::int32_t* correct) {
  kernels::check(s);
  TRIFOLD_CUDA_CHECK(cudaMemsetAsync(correct, 0, sizeof(*correct), stream_of(ex)));
  launch(ex, "count_top1", count_top1_kernel, blocks_of(s), dim3(warp * warps), s.n, s.classes, z,
         labels, correct);
}

void add_to_totals(const Exec& ex, const SoftmaxShape& s, const float* z,
                   const std::int32_t* labels, const float* mean_loss, Totals* totals) {
  kernels::check(s);
  launch(ex, "add_to_totals", add_to_totals_kernel, blocks_of(s), dim3(warp * warps), s.n,
         s.classes, z, labels, mean_loss, totals);
}

}  // namespace trifold::kernels::cuda
