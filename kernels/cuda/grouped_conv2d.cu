/// Made of dense convolutions. Narrow groups are worked together, as one whose other weights are
/// zeros: a tile of the product has so many channels anyhow. What one block of groups reads and writes
/// is copied, so that beside the products a pass moves three times what it would have to.
#include "kernels/grouped_conv2d.h"

#include "kernels/cuda/grouped_conv2d_plan.h"
#include "kernels/cuda/map.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

using Shape = GroupedConv2dShape;

/// Where a block's weights lie: dense (r s, groups c, groups k), grouped (r s, c, all k).
struct Weights {
  int groups, c, k, all_k, first_k;

  Weights(const Shape& s, const GroupBlock& block)
      : groups(to_int(block.groups)),
        c(to_int(s.group_c())),
        k(to_int(s.group_k())),
        all_k(to_int(s.k)),
        first_k(to_int(block.first * s.group_k())) {}
};

/// dense = the block's weights, zeros between its groups.
struct Join {
  Weights at;
  const float* w;
  float* dense;

  template <int V>
  __device__ void run(std::int64_t element) const {
    static_assert(V == 1, "groups may be narrower than a vector");
    const int i = static_cast<int>(element);
    const int filters = at.groups * at.k, row = i / filters, filter = i % filters;
    const int channel = row % (at.groups * at.c), tap = row / (at.groups * at.c);
    const std::int64_t own = std::int64_t{tap * at.c + channel % at.c} * at.all_k;
    dense[i] = channel / at.c == filter / at.k ? w[own + at.first_k + filter] : 0;
  }
};

/// The block's dw = what of dense lies in its groups.
struct Split {
  Weights at;
  const float* dense;
  float* dw;

  template <int V>
  __device__ void run(std::int64_t element) const {
    static_assert(V == 1, "groups may be narrower than a vector");
    const int i = static_cast<int>(element);
    const int filters = at.groups * at.k, row = i / filters, filter = i % filters;
    const int tap = row / at.c, group = filter / at.k;
    const int dense_row = (tap * at.groups + group) * at.c + row % at.c;
    dw[std::int64_t{row} * at.all_k + at.first_k + filter] =
        dense[std::int64_t{dense_row} * filters + filter];
  }
};

/// Calls f.run<1>(i) for each i below count: the weights are few.
template <class F>
void for_each(const Exec& ex, const char* name, std::int64_t count, const F& f) {
  to_int(count);
  launch(ex, name, map_kernel<1, F>, blocks_in_row(div_up(count, map_threads)), map_threads, f,
         count, std::int64_t{0});
}

void join(const Exec& ex, const Shape& s, const GroupBlock& block, const float* w, float* dense) {
  for_each(ex, "grouped_conv2d, join", s.dense(1, block.groups).w_size(),
           Join{Weights(s, block), w, dense});
}

void split(const Exec& ex, const Shape& s, const GroupBlock& block, const float* dense, float* dw) {
  for_each(ex, "grouped_conv2d, split", s.r * s.s * s.group_c() * block.groups * s.group_k(),
           Split{Weights(s, block), dense, dw});
}

/// Images whose pixels have channels of all groups, and those which one block reads or writes.
struct Slices {
  std::int64_t pixels, channels, group_channels;  ///< of all images; of all groups; of one

  static Slices of_input(const Shape& s) { return {s.n * s.h * s.w, s.c, s.group_c()}; }
  static Slices of_output(const Shape& s) { return {s.n * s.p() * s.q(), s.k, s.group_k()}; }

  void take(const Exec& ex, const GroupBlock& block, const float* all, float* slice) const {
    const std::int64_t own = block.groups * group_channels;
    cuda::copy_channels(ex, {pixels, own, channels, block.first * group_channels, own, 0},
                        Write::overwrite, all, slice);
  }
  void put(const Exec& ex, const GroupBlock& block, const float* slice, Write write,
           float* all) const {
    const std::int64_t own = block.groups * group_channels;
    cuda::copy_channels(ex, {pixels, own, own, 0, channels, block.first * group_channels}, write,
                        slice, all);
  }
};

}  // namespace

void grouped_conv2d_forward(const Exec& ex, const Shape& s, const float* x, const float* w,
                            const float* b, float* y) {
  check(s);
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Scratch<float> weights(ex, dense.w_size()), xs(ex, dense.x_size()),
        ys(ex, dense.y_size());
    join(ex, s, block, w, weights.data());
    in.take(ex, block, x, xs.data());
    cuda::conv2d_forward(ex, dense, xs.data(), weights.data(),
                         b == nullptr ? nullptr : b + block.first * s.group_k(), ys.data());
    out.put(ex, block, ys.data(), Write::overwrite, y);
  });
}

void grouped_conv2d_backward_data(const Exec& ex, const Shape& s, const float* dy, const float* w,
                                  Write write, float* dx) {
  check(s);
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Scratch<float> weights(ex, dense.w_size()), dys(ex, dense.y_size()),
        dxs(ex, dense.x_size());
    join(ex, s, block, w, weights.data());
    out.take(ex, block, dy, dys.data());
    cuda::conv2d_backward_data(ex, dense, dys.data(), weights.data(), Write::overwrite, dxs.data());
    in.put(ex, block, dxs.data(), write, dx);
  });
}

void grouped_conv2d_backward_weight(const Exec& ex, const Shape& s, const float* x, const float* dy,
                                    float* dw, float* db) {
  check(s);
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Scratch<float> xs(ex, dense.x_size()), dys(ex, dense.y_size()), dws(ex, dense.w_size());
    in.take(ex, block, x, xs.data());
    out.take(ex, block, dy, dys.data());
    cuda::conv2d_backward_weight(ex, dense, xs.data(), dys.data(), dws.data(),
                                 db == nullptr ? nullptr : db + block.first * s.group_k());
    split(ex, s, block, dws.data(), dw);
  });
}

}  // namespace trifold::kernels::cuda
