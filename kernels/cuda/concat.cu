/// Bound by memory: copying reads and writes each element of the slice once, accumulating reads the
/// destination as well.
#include "kernels/cuda/columns.cuh"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cuda {
namespace {

struct CopyChannels {
  const float* src;
  float* dst;
  std::int64_t src_channels, dst_channels;
  bool accumulate;

  struct None {};
  template <int V>
  __device__ None parameters(std::int64_t) const {
    return {};
  }

  template <int V>
  __device__ void run(None, std::int64_t row, std::int64_t c) const {
    Floats<V> a = load<V>(src + row * src_channels + c);
    float* to = dst + row * dst_channels + c;
    if (accumulate) {
      const Floats<V> old = load<V>(to);
      for (int v = 0; v < V; ++v) a.v[v] = old.v[v] + a.v[v];
    }
    store(to, a);
  }
};

}  // namespace

void copy_channels(const Exec& ex, const ChannelSlice& s, Write write, const float* src,
                   float* dst) {
  check(s);
  src += s.src_offset;
  dst += s.dst_offset;
  const bool vectors = s.channels % 4 == 0 && s.src_channels % 4 == 0 && s.dst_channels % 4 == 0 &&
                       aligned({src, dst});
  column_map(ex, "copy_channels", s.rows, s.channels, vectors,
             CopyChannels{src, dst, s.src_channels, s.dst_channels, write == Write::accumulate});
}

}  // namespace trifold::kernels::cuda
