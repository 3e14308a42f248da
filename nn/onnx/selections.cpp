#include "nn/onnx/selections.h"

#include <algorithm>
#include <numeric>

namespace trifold::nn {

using Integers = std::vector<std::int64_t>;

// A selection of channels takes over another one that it alone reads.
void OnnxSelections::add_gather(const OnnxNode& node, NodeId x, std::vector<std::int32_t> source,
                                std::int64_t stride) {
  const auto* before = std::get_if<ChannelGather>(&draft(x).node.op);
  if (before != nullptr && draft(x).readers == 1) {
    for (std::int32_t& c : source) c = c < 0 ? -1 : before->source[static_cast<std::size_t>(c)];
    stride *= before->stride;
    x = draft(x).node.inputs[0];
  }
  add(node.name, ChannelGather{std::move(source), stride}, {x}, node.outputs.front());
}

// Counts what a node says of channels: a few bytes of the file select any number of them.
void OnnxSelections::select(std::int64_t channels) {
  need(channels <= may_select_, "more channels are selected than a network has");
  may_select_ -= channels;
}

std::vector<std::int32_t> OnnxSelections::all_channels(NodeId x) {
  select(draft(x).channels());
  std::vector<std::int32_t> source(static_cast<std::size_t>(draft(x).channels()));
  std::iota(source.begin(), source.end(), 0);
  return source;
}

void OnnxSelections::slice(const OnnxNode& node) {
  const NodeId x = value(node, 0);
  const Integers starts = integers_or_list(node, 1, "starts"),
                 ends = integers_or_list(node, 2, "ends");
  Integers counted(starts.size());
  std::iota(counted.begin(), counted.end(), std::int64_t{0});
  const Integers axes = integers_or_list(node, 3, "axes", counted);
  const Integers steps = integers_or_list(node, 4, "", Integers(starts.size(), 1));
  need(
      ends.size() == starts.size() && axes.size() == starts.size() && steps.size() == starts.size(),
      "starts, ends, axes and steps of different lengths");
  std::vector<std::int32_t> source = all_channels(x);
  Integers strides = {1, 1};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
    if (axis == 1) {
      const auto count = std::ssize(source);
      const auto place = [&](std::int64_t p) {
        return std::clamp<std::int64_t>(p < 0 ? p + count : p, 0, count);
      };
      const std::int64_t first = place(starts[i]), last = place(ends[i]);
      need(steps[i] == 1 && first < last, "a part of the channels that is not a range");
      source = {source.begin() + first, source.begin() + last};
      continue;
    }
    // Whatever the extent is, it goes to its end.
    need((axis == 2 || axis == 3) && starts[i] == 0 && steps[i] >= 1 && steps[i] <= max_extent &&
             ends[i] >= max_extent,
         "a part of the image");
    strides[static_cast<std::size_t>(axis - 2)] = steps[i];
  }
  if (all_equal(strides)) {
    add_gather(node, x, std::move(source), strides[0]);
    return;
  }
  // One axis here and the other in the next node.
  need(strides[0] == 1 || strides[1] == 1, "strides that differ");
  half_strided(node, x, strides[0] > 1 ? strides[0] : strides[1], strides[0] > 1 ? 0 : 1);
}

// Exporters write x[:, :, ::2, ::2] as two slices, of which the first alone has no equal here.
void OnnxSelections::half_strided(const OnnxNode& node, NodeId x, std::int64_t stride,
                                  std::size_t axis) {
  const auto half = halves_.find(x);
  if (half == halves_.end() || node.inputs[0] != half->second.value) {
    need(uses(node.outputs.front()) == 1, "strides that differ");
    halves_[x] = {node.outputs.front(), stride, axis};
    rename(node.outputs.front(), x);
    return;
  }
  const Half first = half->second;
  halves_.erase(half);
  need(first.stride == stride && first.axis != axis, "strides that differ");
  add(node.name, ChannelGather{all_channels(x), stride}, {x}, node.outputs.front());
}

void OnnxSelections::pad(const OnnxNode& node) {
  const NodeId x = value(node, 0);
  const auto mode = node.texts.find("mode");
  need(mode == node.texts.end() || mode->second == "constant", "padding that is not constant");
  if (const OnnxTensor* filler = optional_constant(node, 2)) {
    need(filler->floats.size() == 1 && filler->floats[0] == 0.0f, "padding that is not 0");
  }
  const Integers pads = integers_or_list(node, 1, "pads");
  need(pads.size() == 8, "not an image's pads");
  for (std::size_t i = 0; i < pads.size(); ++i) {
    need(i % 4 == 1 ? pads[i] >= 0 && pads[i] <= max_extent : pads[i] == 0,
         "padding other than of channels");
  }
  std::vector<std::int32_t> source = all_channels(x);
  select(pads[1] + pads[5]);
  source.insert(source.begin(), static_cast<std::size_t>(pads[1]), -1);
  source.insert(source.end(), static_cast<std::size_t>(pads[5]), -1);
  add_gather(node, x, std::move(source), 1);
}

void OnnxSelections::gather(const OnnxNode& node) {
  const NodeId x = value(node, 0);
  need(node.integer("axis", 0) == 1, "not along the channels");
  const Integers& indices = integers(node, 1);
  select(std::ssize(indices));
  std::vector<std::int32_t> source;
  for (std::int64_t i : indices) {
    const std::int64_t channel = i < 0 ? i + draft(x).channels() : i;
    need(channel >= 0 && channel < draft(x).channels(), "a channel that there isn't");
    source.push_back(static_cast<std::int32_t>(channel));
  }
  need(!source.empty(), "no channels");
  add_gather(node, x, std::move(source), 1);
}

}  // namespace trifold::nn
