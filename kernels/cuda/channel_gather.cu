/// Bound by memory: forward writes y once and reads the chosen channels of the chosen pixels;
/// backward gathers, writing dx once and reading dy once, with the help of an inverse of `source`.
#include "kernels/cuda/image_rows.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

struct Extents {
  int h, w, c, k, stride, p, q;

  explicit Extents(const ChannelGatherShape& s)
      : h(to_int(s.h)),
        w(to_int(s.w)),
        c(to_int(s.c)),
        k(to_int(s.k)),
        stride(to_int(s.stride)),
        p(to_int(s.p())),
        q(to_int(s.q())) {}
};

struct GatherForward {
  Extents e;
  const float* x;
  const std::int32_t* source;
  float* y;

  template <int V>
  __device__ void run(std::int64_t row, int j, int k) const {
    const std::int64_t image = row / e.p;
    const std::int64_t i = row % e.p * e.stride;
    const float* from = x + ((image * e.h + i) * e.w + std::int64_t{j} * e.stride) * e.c;
    Floats<V> a;
    for (int v = 0; v < V; ++v) {
      const int channel = source[k + v];
      a.v[v] = channel < 0 ? 0 : from[channel];
    }
    store(y + (row * e.q + j) * e.k + k, a);
  }
};

constexpr int chain_threads = 128;

/// The readers of each channel as a chain in ascending order: next[c] is the first output channel
/// that reads channel c, next[c_count + j] the next one after j that reads the same; -1 ends a
/// chain. A thread finds one link. The block passes over `source` in tiles in shared memory, an int
/// a thread, which all its threads read at the same place.
__global__ void __launch_bounds__(chain_threads)
    reader_chains_kernel(int c_count, int k_count, const std::int32_t* source, std::int32_t* next) {
  SIMT_SHARED(std::int32_t, tile, [chain_threads]);
  const int thread = static_cast<int>(threadIdx.x);
  const int link = static_cast<int>(blockIdx.x) * chain_threads + thread;
  const int links = c_count + k_count;
  const int after = link - c_count;  // negative for a channel: its chain starts at any j
  const int wanted = after < 0 ? link : link < links ? source[after] : -1;
  int found = -1;
  for (int first = 0; first < k_count; first += chain_threads) {
    if (first + thread < k_count) tile[thread] = source[first + thread];
    __syncthreads();
    const int count = min(chain_threads, k_count - first);
    for (int j = 0; j < count; ++j) {
      if (found < 0 && tile[j] == wanted && first + j > after) found = first + j;
    }
    __syncthreads();
  }
  if (link < links) next[link] = wanted < 0 ? -1 : found;
}

struct GatherBackward {
  Extents e;
  const float* dy;
  const std::int32_t* next;
  float* dx;

  template <int V>
  __device__ void run(std::int64_t row, int j, int c) const {
    const std::int64_t image = row / e.h;
    const int i = static_cast<int>(row % e.h);
    Floats<V> sum = splat<V>(0);
    if (i % e.stride == 0 && j % e.stride == 0) {
      const float* from = dy + ((image * e.p + i / e.stride) * e.q + j / e.stride) * e.k;
      for (int v = 0; v < V; ++v) {
        for (int k = next[c + v]; k >= 0; k = next[e.c + k]) sum.v[v] += from[k];
      }
    }
    store(dx + (row * e.w + j) * e.c + c, sum);
  }
};

}  // namespace

void channel_gather_forward(const Exec& ex, const ChannelGatherShape& s, const float* x,
                            const std::int32_t* source, float* y) {
  check(s);
  image_rows(ex, "channel_gather_forward", s.n * s.p(), s.q(), s.k, s.k % 4 == 0 && aligned({y}),
             GatherForward{Extents(s), x, source, y});
}

void channel_gather_backward(const Exec& ex, const ChannelGatherShape& s, const float* dy,
                             const std::int32_t* source, float* dx) {
  check(s);
  const Extents e(s);
  const Scratch<std::int32_t> next(ex, s.c + s.k);
  launch(ex, "channel_gather_reader_chains", reader_chains_kernel,
         blocks_in_row(div_up(s.c + s.k, chain_threads)), dim3(chain_threads), e.c, e.k, source,
         next.data());
  image_rows(ex, "channel_gather_backward", s.n * s.h, s.w, s.c, s.c % 4 == 0 && aligned({dx}),
             GatherBackward{e, dy, next.data(), dx});
}

}  // namespace trifold::kernels::cuda
