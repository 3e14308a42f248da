#include "bench/grouped_work.h"

#include "bench/conv2d_work.h"
#include "kernels/cuda/grouped_conv2d_plan.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using kernels::GroupedConv2dShape;
using kernels::cuda::for_group_blocks;
using kernels::cuda::GroupBlock;

constexpr const char *weights = "grouped, weights", *slices = "grouped, slices";

/// A block's share of an array that has as much for every group.
Array share(const Array& all, const GroupedConv2dShape& s, const GroupBlock& block) {
  return {all.name, all.bytes * static_cast<double>(block.groups) / static_cast<double>(s.groups)};
}

/// What is copied out of an array, as one of its own.
Array taken(LaunchList& list, const char* kind, const Array& part, std::int64_t floats) {
  const Array copy{list.fresh(), bytes(floats)};
  list.move(kind, {part}, {copy});
  return copy;
}

Launch dense_launch(const char* kind, const Conv2dShape& dense, const GroupBlock& block,
                    const Conv2dWork& work, const char* function, const char* rest) {
  Launch launch{kind, {}, {}};
  launch.macs = work.macs;
  launch.least_macs = least_macs(dense) / static_cast<double>(block.groups);
  launch.kernel = work.kernel;
  launch.kernel.function = function;
  launch.kernel.arguments += rest;
  return launch;
}

}  // namespace

void add_grouped_forward(LaunchList& list, const GroupedConv2dShape& s, const Array& x,
                         const Array& w, const Array& y) {
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Array joined = taken(list, weights, share(w, s, block), dense.w_size());
    const Array in = taken(list, slices, share(x, s, block), dense.x_size());
    const Array out{list.fresh(), bytes(dense.y_size())};
    Launch launch = dense_launch("convolution, forward", dense, block, forward_work(dense),
                                 "forward_kernel", ", NoNorm, PointwiseEpilogue");
    launch.reads = {in, joined};
    launch.writes = {out};
    list.move_in_parts(std::move(launch), {});
    list.move(slices, {out}, {share(y, s, block)});
  });
}

void add_grouped_backward_data(LaunchList& list, const GroupedConv2dShape& s, const Array& dy,
                               const Array& w, const Array& dx, bool adds) {
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Array joined = taken(list, weights, share(w, s, block), dense.w_size());
    const Array gradient = taken(list, slices, share(dy, s, block), dense.y_size());
    const Array out{list.fresh(), bytes(dense.x_size())};
    Launch launch =
        dense_launch("convolution, data gradient", dense, block, data_gradient_work(dense),
                     "backward_data_kernel", ", PointwiseEpilogue");
    launch.reads = {gradient, joined};
    launch.writes = {out};
    list.move_in_parts(std::move(launch), {});
    Arrays reads{out};
    if (adds) reads.push_back(share(dx, s, block));
    list.move(slices, std::move(reads), {share(dx, s, block)});
  });
}

void add_grouped_backward_weight(LaunchList& list, const GroupedConv2dShape& s, const Array& x,
                                 const Array& dy, const Array& dw) {
  for_group_blocks(s, [&](const GroupBlock& block) {
    const Conv2dShape dense = s.dense(s.n, block.groups);
    const Array in = taken(list, slices, share(x, s, block), dense.x_size());
    const Array gradient = taken(list, slices, share(dy, s, block), dense.y_size());
    const Conv2dWork work = weight_gradient_work(dense);
    Launch launch = dense_launch("convolution, weight gradient", dense, block, work,
                                 "backward_weight_kernel", ", NoNorm, StoredGradient");
    launch.reads = {in, gradient};
    const Array joined{list.fresh(), bytes(dense.w_size())};
    if (work.parts > 1) {
      list.move_in_parts(std::move(launch), {matrix_parts(work.parts, dense.w_size())});
    } else {
      launch.writes = {joined};
      list.move_in_parts(std::move(launch), {});
    }
    list.move(weights, {joined}, {share(dw, s, block)});
  });
}

}  // namespace trifold::bench
