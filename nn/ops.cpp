#include "nn/ops.h"

#include <algorithm>
#include <utility>

#include "kernels/runtime/error.h"

namespace trifold::nn {

using kernels::SigmoidKind;

namespace {

bool in_range(std::int64_t value, std::int64_t low) { return value >= low && value <= max_extent; }

bool is_valid_window(std::int64_t window, std::int64_t stride, std::int64_t pad) {
  return in_range(window, 1) && in_range(stride, 1) && in_range(pad, 0) && pad < window;
}

// What a window yields that moves over its padded input.
Extent windowed(const Extent& in, std::int64_t window, std::int64_t stride, std::int64_t pad,
                std::int64_t channels) {
  const std::int64_t h = in.h + 2 * pad - window, w = in.w + 2 * pad - window;
  require<ShapeError>(h >= 0 && w >= 0,
                      "an input of {} x {} is smaller than the window; use a larger resolution",
                      in.h, in.w);
  return {h / stride + 1, w / stride + 1, channels};
}

template <std::size_t... I>
std::vector<Op> one_of_each(std::index_sequence<I...>) {
  return {std::variant_alternative_t<I, Op>{}...};
}

}  // namespace

std::int64_t common_channels(InputChannels in) {
  for (std::int64_t other : in) {
    require<ShapeError>(other == in[0], "inputs of {} and {} channels", in[0], other);
  }
  return in[0];
}

Extent common_extent(InputExtents in, std::int64_t channels) {
  for (const Extent& other : in) {
    require<ShapeError>(other.h == in[0].h && other.w == in[0].w,
                        "inputs of {} x {} and {} x {} pixels", in[0].h, in[0].w, other.h, other.w);
  }
  return {in[0].h, in[0].w, channels};
}

bool Input::is_valid() const { return in_range(channels, 1); }

bool Conv2d::is_valid() const {
  return in_range(filters, 1) && is_valid_window(window, stride, pad);
}

Extent Conv2d::output_extent(InputExtents in, std::int64_t c) const {
  return windowed(in[0], window, stride, pad, c);
}

OpParameters Conv2d::parameters(std::int64_t in) const {
  OpParameters all{{".weight", Role::conv_weight, {window, window, in, filters}}};
  if (bias) all.push_back({".bias", Role::bias, {filters}});
  return all;
}

bool DepthwiseConv2d::is_valid() const { return is_valid_window(window, stride, pad); }

Extent DepthwiseConv2d::output_extent(InputExtents in, std::int64_t c) const {
  return windowed(in[0], window, stride, pad, c);
}

OpParameters DepthwiseConv2d::parameters(std::int64_t in) const {
  OpParameters all{{".weight", Role::depthwise_weight, {window, window, in}}};
  if (bias) all.push_back({".bias", Role::bias, {in}});
  return all;
}

bool GroupedConv2d::is_valid() const {
  return in_range(filters, 1) && in_range(groups, 1) && filters % groups == 0 &&
         is_valid_window(window, stride, pad);
}

std::int64_t GroupedConv2d::output_channels(InputChannels in) const {
  require<ShapeError>(in[0] % groups == 0, "{} channels can't be divided into {} groups", in[0],
                      groups);
  return filters;
}

Extent GroupedConv2d::output_extent(InputExtents in, std::int64_t c) const {
  return windowed(in[0], window, stride, pad, c);
}

OpParameters GroupedConv2d::parameters(std::int64_t in) const {
  OpParameters all{{".weight", Role::grouped_weight, {window, window, in / groups, filters}}};
  if (bias) all.push_back({".bias", Role::bias, {filters}});
  return all;
}

OpParameters BatchNorm::parameters(std::int64_t in) {
  return {{".weight", Role::bn_gamma, {in}},
          {".bias", Role::bn_beta, {in}},
          {".running_mean", Role::running_mean, {in}},
          {".running_var", Role::running_var, {in}}};
}

const char* Sigmoid::name() const {
  switch (kind) {
    case SigmoidKind::silu:
      return "silu";
    case SigmoidKind::hard_sigmoid:
      return "hard_sigmoid";
    case SigmoidKind::hard_swish:
      return "hard_swish";
    case SigmoidKind::sigmoid:
      break;
  }
  return "sigmoid";
}

Extent ChannelScale::output_extent(InputExtents in, std::int64_t c) {
  require<ShapeError>(in[1].h == 1 && in[1].w == 1, "its factors are not pooled");
  return {in[0].h, in[0].w, c};
}

std::int64_t Concat::output_channels(InputChannels in) {
  std::int64_t sum = 0;
  for (std::int64_t channels : in) sum += channels;
  require<ShapeError>(in_range(sum, 1), "too many channels");
  return sum;
}

bool ChannelGather::is_valid() const {
  return in_range(stride, 1) && in_range(std::ssize(source), 1);
}

std::int64_t ChannelGather::output_channels(InputChannels in) const {
  for (std::int32_t s : source) {
    require<ShapeError>(s >= -1 && s < in[0], "source channel {} of {}", s, in[0]);
  }
  return std::ssize(source);
}

Extent ChannelGather::output_extent(InputExtents in, std::int64_t c) const {
  return {(in[0].h + stride - 1) / stride, (in[0].w + stride - 1) / stride, c};
}

bool Pool::is_valid() const {
  return in_range(window, 1) && in_range(stride, 1) && in_range(pad, 0) && 2 * pad <= window;
}

Extent Pool::output_extent(InputExtents in, std::int64_t c) const {
  return windowed(in[0], window, stride, pad, c);
}

bool Flatten::is_valid() const { return in_range(side, 1) && side * side <= max_extent; }

std::int64_t Flatten::output_channels(InputChannels in) const {
  const std::int64_t channels = in[0] * side * side;
  require<ShapeError>(in_range(channels, 1), "{} channels of {} x {} pixels are too many", in[0],
                      side, side);
  return channels;
}

Extent Flatten::output_extent(InputExtents in, std::int64_t c) const {
  require<ShapeError>(
      in[0].h == side && in[0].w == side,
      "the layers behind it are for {0} x {0} pixels, not {1} x {2}; only images of "
      "the side that gives those fit",
      side, in[0].h, in[0].w);
  return {1, 1, c};
}

bool Linear::is_valid() const { return in_range(outputs, 1); }

Extent Linear::output_extent(InputExtents in, std::int64_t c) {
  require<ShapeError>(in[0].h == 1 && in[0].w == 1, "its input is not pooled");
  return {1, 1, c};
}

OpParameters Linear::parameters(std::int64_t in) const {
  OpParameters all{{".weight", Role::linear_weight, {in, outputs}}};
  if (bias) all.push_back({".bias", Role::bias, {outputs}});
  return all;
}

bool is_convolution(const Op& op) {
  return std::visit([]<class T>(const T&) { return Convolves<T>; }, op);
}

const char* op_name(const Op& op) {
  return std::visit([](const auto& described) { return described.name(); }, op);
}

ChannelFlow channel_flow(const Op& op) {
  return std::visit([](const auto& described) { return described.channel_flow; }, op);
}

OpParameters parameters(const Op& op, std::int64_t in) {
  return std::visit([in](const auto& described) { return described.parameters(in); }, op);
}

Op op_of_name(const std::string& name) {
  std::vector<Op> known = one_of_each(std::make_index_sequence<std::variant_size_v<Op>>{});
  // Those which have a name of their own.
  known.push_back(Pool{PoolKind::average, 1, 1});
  for (SigmoidKind kind : {SigmoidKind::silu, SigmoidKind::hard_sigmoid, SigmoidKind::hard_swish}) {
    known.push_back(Sigmoid{kind});
  }
  const auto found = std::ranges::find(known, name, op_name);
  require<ShapeError>(found != known.end(), "unknown op '{}'", name);
  return *found;
}

}  // namespace trifold::nn
