#include "bench/step_layout.h"

#include <algorithm>

#include "bench/input_pixels.h"

namespace trifold::bench {
namespace {

/// The bytes of the 32-byte sectors that hold `channels` floats, from `first` on, of each of `rows`
/// rows that are `pitch` floats apart.
double sector_bytes(std::int64_t rows, std::int64_t channels, std::int64_t pitch,
                    std::int64_t first) {
  if (channels == pitch) return 4.0 * static_cast<double>(rows * channels);
  constexpr std::int64_t floats = 8, period = 8;  // of a sector; rows until they lie alike again
  std::int64_t sectors = 0, next = 0;
  for (std::int64_t row = 0; row < period; ++row) {
    const std::int64_t begin = row * pitch + first;
    const std::int64_t last = (begin + channels - 1) / floats;
    sectors += last + 1 - std::max(next, begin / floats);
    next = last + 1;
  }
  return 4.0 * floats * static_cast<double>(sectors) * static_cast<double>(rows) / period;
}

}  // namespace

kernels::Conv2dShape StepLayout::shape(const nn::Node& node, const nn::Conv2d& op) const {
  const nn::Extent& x = extent(node.inputs[0]);
  return {.n = batch_,
          .h = x.h,
          .w = x.w,
          .c = x.c,
          .k = op.filters,
          .r = op.window,
          .s = op.window,
          .stride_h = op.stride,
          .stride_w = op.stride,
          .pad_h = op.pad,
          .pad_w = op.pad};
}

kernels::GroupedConv2dShape StepLayout::shape(const nn::Node& node,
                                              const nn::GroupedConv2d& op) const {
  const nn::Extent& x = extent(node.inputs[0]);
  return {.n = batch_,
          .h = x.h,
          .w = x.w,
          .c = x.c,
          .k = op.filters,
          .r = op.window,
          .s = op.window,
          .groups = op.groups,
          .stride_h = op.stride,
          .stride_w = op.stride,
          .pad_h = op.pad,
          .pad_w = op.pad};
}

bool StepLayout::brings_statistics(NodeId id) const {
  const auto* convolution = std::get_if<nn::Conv2d>(&graph_.node(id).op);
  return (convolution != nullptr && !convolution->bias) ||
         std::holds_alternative<nn::Concat>(graph_.node(id).op);
}

bool StepLayout::sums_up(NodeId convolution) const {
  const NodeId x = graph_.node(convolution).inputs[0];
  return is_summed_up(x) && plan_.first_reader[static_cast<std::size_t>(x)] == convolution;
}

Array StepLayout::input(NodeId convolution, const kernels::Conv2dShape& s) const {
  const NodeId x = graph_.node(convolution).inputs[0];
  return {home(x), part(x, input_pixels(s))};
}

bool StepLayout::grows(NodeId concat) const {
  const nn::Node& node = graph_.node(concat);
  return fused_ && std::holds_alternative<nn::Concat>(node.op) &&
         plan_.in_place_successor[static_cast<std::size_t>(node.inputs[0])] == concat;
}

std::vector<StepLayout::Slice> StepLayout::moved_inputs(NodeId concat) const {
  std::vector<Slice> slices;
  std::int64_t first = 0;
  for (NodeId input : graph_.node(concat).inputs) {
    const std::int64_t channels = extent(input).c;
    slices.push_back({input, sector_bytes(pixels(input), channels, pitch(concat), first)});
    first += channels;
  }
  if (grows(concat)) slices.erase(slices.begin());
  return slices;
}

nn::NodeId StepLayout::home(NodeId id) const {
  while (is_part_of_convolution(id) || grows(id)) id = graph_.node(id).inputs[0];
  return id;
}

std::int64_t StepLayout::pitch(NodeId id) const {
  while (is_part_of_convolution(id)) id = graph_.node(id).inputs[0];
  for (NodeId next = id; fused_ && next != -1;) {
    id = next;
    next = plan_.in_place_successor[static_cast<std::size_t>(id)];
  }
  return extent(id).c;
}

double StepLayout::part(NodeId id, std::int64_t count) const {
  return sector_bytes(count, extent(id).c, pitch(id), 0);
}

}  // namespace trifold::bench
