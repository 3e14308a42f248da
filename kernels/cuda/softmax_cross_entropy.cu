/// A batch has few logits beside its activations, so that what counts is digits: in double, like
/// the CPU's. z is read three times, from the second on from the cache; dz is written once.
#include "kernels/cuda/check.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

constexpr int warp = 32, warps = 4;
constexpr unsigned every_lane = 0xffffffffu;

/// The sum over a warp, in every lane, always added in the same order.
__device__ __forceinline__ double warp_sum(double value) {
  for (int away = warp / 2; away > 0; away /= 2) {
    value += __shfl_xor_sync(every_lane, value, away);
  }
  return value;
}

/// A warp owns a row, and each of its lanes every 32nd class of it.
__global__ void __launch_bounds__(warp* warps)
    softmax_cross_entropy_kernel(std::int64_t n, std::int64_t classes, const float* z,
                                 const std::int32_t* labels, double on_target, double off_target,
                                 double dz_scale, float* loss, float* dz) {
  const int lane = static_cast<int>(threadIdx.x) % warp;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp;
  if (row >= n) return;  // the whole warp
  const float* logits = z + row * classes;
  const std::int64_t label = labels[row];

  // The largest logit and the first class that has it.
  float top = -INFINITY;
  std::int64_t largest = classes;
  for (std::int64_t j = lane; j < classes; j += warp) {
    if (logits[j] > top) {
      top = logits[j];
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

  // The sum without its largest term, 1, keeps the digits of a loss close to 0.
  double rest = 0, gaps = 0, label_gap = 0;
  for (std::int64_t j = lane; j < classes; j += warp) {
    const double gap = static_cast<double>(top) - static_cast<double>(logits[j]);
    if (j != largest) rest += exp(-gap);
    if (j == label) label_gap = gap;
    gaps += gap;
  }
  rest = warp_sum(rest);
  gaps = warp_sum(gaps);
  label_gap = warp_sum(label_gap);
  if (lane == 0) {
    const double log_sum = log1p(rest);  // of exp(z - top)
    double value = on_target * (label_gap + log_sum);
    // A logit of -inf is harmless as long as it has no share in the target.
    if (off_target > 0) {
      value += off_target * (gaps + static_cast<double>(classes) * log_sum);
    }
    loss[row] = static_cast<float>(value);
  }
  if (dz == nullptr) return;
  for (std::int64_t j = lane; j < classes; j += warp) {
    const double target = off_target + (j == label ? on_target : 0.0);
    const double p = exp(static_cast<double>(logits[j]) - static_cast<double>(top)) / (1 + rest);
    dz[row * classes + j] = static_cast<float>((p - target) * dz_scale);
  }
}

/// Whether this warp's row is won by its label; the same in every lane.
__device__ bool is_correct(std::int64_t row, std::int64_t classes, const float* z,
                           const std::int32_t* labels) {
  const float* logits = z + row * classes;
  const std::int64_t label = labels[row];
  const float own = logits[label];
  bool wins = own == own;
  for (std::int64_t j = static_cast<int>(threadIdx.x) % warp; j < classes; j += warp) {
    if (j < label ? logits[j] >= own : logits[j] > own) wins = false;
  }
  return __all_sync(every_lane, wins);
}

/// A warp owns a row. Counts of whole numbers don't depend on the order of the additions.
__global__ void __launch_bounds__(warp* warps)
    count_top1_kernel(std::int64_t n, std::int64_t classes, const float* z,
                      const std::int32_t* labels, std::int32_t* correct) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp;
  if (row >= n) return;  // the whole warp
  if (is_correct(row, classes, z, labels) && threadIdx.x % warp == 0) atomicAdd(correct, 1);
}

/// As count_top1_kernel; the first thread of all adds the loss.
__global__ void __launch_bounds__(warp* warps)
    add_to_totals_kernel(std::int64_t n, std::int64_t classes, const float* z,
                         const std::int32_t* labels, const float* mean_loss, Totals* totals) {
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    totals->loss += static_cast<double>(*mean_loss) * static_cast<double>(n);
  }
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.x / warp;
  if (row >= n) return;  // the whole warp
  if (is_correct(row, classes, z, labels) && threadIdx.x % warp == 0) {
    atomicAdd(reinterpret_cast<unsigned long long*>(&totals->correct), 1ull);
  }
}

dim3 blocks_of(const SoftmaxShape& s) { return blocks_in_row(div_up(s.n, warps)); }

}  // namespace

void softmax_cross_entropy(const Exec& ex, const SoftmaxShape& s, const float* z,
                           const std::int32_t* labels, float smoothing, float dz_scale, float* loss,
                           float* dz) {
  kernels::check(s);
  const double share = static_cast<double>(smoothing);
  launch(ex, "softmax_cross_entropy", softmax_cross_entropy_kernel, blocks_of(s),
         dim3(warp * warps), s.n, s.classes, z, labels, 1 - share,
         share / static_cast<double>(s.classes), static_cast<double>(dz_scale), loss, dz);
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
