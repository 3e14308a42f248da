/// The ops that a network is made of. What training, files and pruning know of an op, they ask it:
/// each struct holds the op's attributes and answers for its inputs, its result, its parameters, its
/// cost and how its channels are coupled. An op that leaves an answer out doesn't compile.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/shape.h"
#include "kernels/sigmoid.h"

namespace trifold::nn {

/// The extents of a node's result for one image. After GlobalAvgPool, h = w = 1.
struct Extent {
  std::int64_t h, w, c;
  std::int64_t size() const { return h * w * c; }
  bool operator==(const Extent&) const = default;
};

/// The greatest extent or number of channels: far above any real network, and low enough that
/// products of a few of them can't overflow.
inline constexpr std::int64_t max_extent = 1 << 20;

/// How many inputs an op takes.
struct Arity {
  std::size_t least, most;
};
inline constexpr std::size_t any_number = std::numeric_limits<std::size_t>::max();

/// Where the channels of an op's result come from. It says which can only be removed together.
enum class ChannelFlow {
  fixed,   ///< none can be removed: those of the image
  made,    ///< the op makes them, and can make fewer
  passed,  ///< channel c comes from channel c of every input, which ties the inputs'
  joined,  ///< those of the inputs, one after the other
  spread,  ///< each channel of the input becomes equally many in a row, which stay together
  grouped  ///< a group of them comes from a group of the input's; all of these stay together
};

enum class Role {
  conv_weight,
  depthwise_weight,
  grouped_weight,
  linear_weight,
  bias,
  bn_gamma,
  bn_beta,
  running_mean,
  running_var
};

/// The ops whose channels flow so, for visitors of an Op. One that makes channels has no such arm: how
/// it makes fewer is its own.
template <class T>
concept FixesChannels = T::channel_flow == ChannelFlow::fixed;
template <class T>
concept PassesChannels = T::channel_flow == ChannelFlow::passed;
template <class T>
concept JoinsChannels = T::channel_flow == ChannelFlow::joined;
template <class T>
concept SpreadsChannels = T::channel_flow == ChannelFlow::spread;

/// A parameter of a node, named <node><suffix>.
struct OpParameter {
  const char* suffix;
  Role role;
  engine::Shape shape;
};
using OpParameters = std::vector<OpParameter>;

/// What an op's inputs yield, in their order.
using InputChannels = std::span<const std::int64_t>;
using InputExtents = std::span<const Extent>;

/// The channels, or the height and width, that all inputs have.
/// Errors    ShapeError: they differ.
std::int64_t common_channels(InputChannels in);
Extent common_extent(InputExtents in, std::int64_t channels);

// Every op answers, in static members where its attributes don't matter:
//   name()                        its name in files and tables
//   arity, channel_flow           see above
//   is_valid()                    whether its attributes are in range
//   attributes(op, field)         calls field("key", value) for each, to write or to read it
//   output_channels(in)           how many its result has; ShapeError where the inputs don't fit
//   output_extent(in, channels)   of its result, which has `channels`; ShapeError as above
//   parameters(in)                all it owns, where its first input has `in` channels
//   macs(in, out)                 multiply-accumulates for an image, by its first input and result

/// The image that goes in. No inputs: it is asked with the image's extent.
struct Input {
  std::int64_t channels;

  static const char* name() { return "input"; }
  static constexpr Arity arity{0, 0};
  static constexpr ChannelFlow channel_flow = ChannelFlow::fixed;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) { field("channels", op.channels); }
  std::int64_t output_channels(InputChannels) const { return channels; }
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Input&) const = default;
};

/// kernels/conv2d.h; one input.
struct Conv2d {
  std::int64_t filters;
  std::int64_t window = 1, stride = 1, pad = 0;
  bool bias = false;

  static const char* name() { return "conv2d"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::made;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("filters", op.filters);
    field("window", op.window);
    field("stride", op.stride);
    field("pad", op.pad);
    field("bias", op.bias);
  }
  std::int64_t output_channels(InputChannels) const { return filters; }
  Extent output_extent(InputExtents in, std::int64_t c) const;
  OpParameters parameters(std::int64_t in) const;
  std::int64_t macs(const Extent& in, const Extent& out) const {
    return out.size() * window * window * in.c;
  }
  bool operator==(const Conv2d&) const = default;
};

/// kernels/depthwise_conv2d.h; one input. Its channels are the input's.
struct DepthwiseConv2d {
  std::int64_t window = 1, stride = 1, pad = 0;
  bool bias = false;

  static const char* name() { return "depthwise_conv2d"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("window", op.window);
    field("stride", op.stride);
    field("pad", op.pad);
    field("bias", op.bias);
  }
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  Extent output_extent(InputExtents in, std::int64_t c) const;
  OpParameters parameters(std::int64_t in) const;
  std::int64_t macs(const Extent&, const Extent& out) const { return out.size() * window * window; }
  bool operator==(const DepthwiseConv2d&) const = default;
};

/// kernels/grouped_conv2d.h; one input, whose channels the groups divide.
struct GroupedConv2d {
  std::int64_t filters, groups;
  std::int64_t window = 1, stride = 1, pad = 0;
  bool bias = false;

  static const char* name() { return "grouped_conv2d"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::grouped;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("filters", op.filters);
    field("groups", op.groups);
    field("window", op.window);
    field("stride", op.stride);
    field("pad", op.pad);
    field("bias", op.bias);
  }
  std::int64_t output_channels(InputChannels in) const;
  Extent output_extent(InputExtents in, std::int64_t c) const;
  OpParameters parameters(std::int64_t in) const;
  std::int64_t macs(const Extent& in, const Extent& out) const {
    return out.size() * window * window * (in.c / groups);
  }
  bool operator==(const GroupedConv2d&) const = default;
};

/// kernels/batch_norm.h; inputs: x and, optionally, the residual that is added before the ReLU.
struct BatchNorm {
  bool relu = false;
  float eps = 1e-5f;

  static const char* name() { return "batch_norm"; }
  static constexpr Arity arity{1, 2};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  bool is_valid() const { return eps > 0.0f; }
  static void attributes(auto& op, auto&& field) {
    field("relu", op.relu);
    field("eps", op.eps);
  }
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
  static OpParameters parameters(std::int64_t in);
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const BatchNorm&) const = default;
};

/// What the ops share that work each element alone, with nothing to choose or to learn.
template <std::size_t Inputs>
struct Elementwise {
  static constexpr Arity arity{Inputs, Inputs};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  static bool is_valid() { return true; }
  static void attributes(auto&, auto&&) {}
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Elementwise&) const = default;
};

/// kernels/elementwise.h; one input.
struct Relu : Elementwise<1> {
  static const char* name() { return "relu"; }
  bool operator==(const Relu&) const = default;
};

/// kernels/elementwise.h; one input.
struct Relu6 : Elementwise<1> {
  static const char* name() { return "relu6"; }
  bool operator==(const Relu6&) const = default;
};

/// kernels/sigmoid.h; one input. Its kind is its name.
struct Sigmoid : Elementwise<1> {
  using Kind = kernels::SigmoidKind;
  Kind kind;

  explicit Sigmoid(Kind k = Kind::sigmoid) : kind(k) {}
  const char* name() const;
  bool operator==(const Sigmoid&) const = default;
};

/// kernels/dropout.h; one input. In inference it passes its input on.
struct Dropout {
  float rate = 0.5f;

  static const char* name() { return "dropout"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  bool is_valid() const { return rate >= 0.0f && rate < 1.0f; }
  static void attributes(auto& op, auto&& field) { field("rate", op.rate); }
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Dropout&) const = default;
};

/// The sum of two inputs.
struct Add : Elementwise<2> {
  static const char* name() { return "add"; }
  bool operator==(const Add&) const = default;
};

/// kernels/channel_scale.h: an image times its factors, which are one pixel of as many channels.
struct ChannelScale : Elementwise<2> {
  static const char* name() { return "channel_scale"; }
  static Extent output_extent(InputExtents in, std::int64_t c);
  bool operator==(const ChannelScale&) const = default;
};

/// Any number of inputs, concatenated along the channels.
struct Concat {
  static const char* name() { return "concat"; }
  static constexpr Arity arity{1, any_number};
  static constexpr ChannelFlow channel_flow = ChannelFlow::joined;
  static bool is_valid() { return true; }
  static void attributes(auto&, auto&&) {}
  static std::int64_t output_channels(InputChannels in);
  static Extent output_extent(InputExtents in, std::int64_t c) { return common_extent(in, c); }
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Concat&) const = default;
};

/// kernels/channel_gather.h; one input. -1 in `source` makes a channel of zeros.
struct ChannelGather {
  std::vector<std::int32_t> source;
  std::int64_t stride = 1;

  static const char* name() { return "channel_gather"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::made;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("source", op.source);
    field("stride", op.stride);
  }
  std::int64_t output_channels(InputChannels in) const;
  Extent output_extent(InputExtents in, std::int64_t c) const;
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const ChannelGather&) const = default;
};

enum class PoolKind { max, average };
/// kernels/pool.h; one input.
struct Pool {
  PoolKind kind;
  std::int64_t window, stride, pad = 0;

  const char* name() const { return kind == PoolKind::max ? "max_pool" : "avg_pool"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("window", op.window);
    field("stride", op.stride);
    field("pad", op.pad);
  }
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  Extent output_extent(InputExtents in, std::int64_t c) const;
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Pool&) const = default;
};

/// (n,h,w,c) -> (n,c).
struct GlobalAvgPool {
  static const char* name() { return "global_avg_pool"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::passed;
  static bool is_valid() { return true; }
  static void attributes(auto&, auto&&) {}
  static std::int64_t output_channels(InputChannels in) { return common_channels(in); }
  static Extent output_extent(InputExtents, std::int64_t c) { return {1, 1, c}; }
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const GlobalAvgPool&) const = default;
};

/// kernels/flatten.h: (n,side,side,c) -> (n, c side side), a channel's pixels side by side.
struct Flatten {
  std::int64_t side = 1;

  static const char* name() { return "flatten"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::spread;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) { field("side", op.side); }
  std::int64_t output_channels(InputChannels in) const;
  Extent output_extent(InputExtents in, std::int64_t c) const;
  static OpParameters parameters(std::int64_t) { return {}; }
  static std::int64_t macs(const Extent&, const Extent&) { return 0; }
  bool operator==(const Flatten&) const = default;
};

/// kernels/linear.h; one input of shape (n,c).
struct Linear {
  std::int64_t outputs;
  bool bias = true;

  static const char* name() { return "linear"; }
  static constexpr Arity arity{1, 1};
  static constexpr ChannelFlow channel_flow = ChannelFlow::made;
  bool is_valid() const;
  static void attributes(auto& op, auto&& field) {
    field("outputs", op.outputs);
    field("bias", op.bias);
  }
  std::int64_t output_channels(InputChannels) const { return outputs; }
  static Extent output_extent(InputExtents in, std::int64_t c);
  OpParameters parameters(std::int64_t in) const;
  static std::int64_t macs(const Extent& in, const Extent& out) { return in.c * out.c; }
  bool operator==(const Linear&) const = default;
};

/// Takes any attribute.
struct AnyField {
  void operator()(const char*, const auto&) const {}
};

template <class T>
concept HasName = requires(const T& op) {
  { op.name() } -> std::same_as<const char*>;
};
template <class T>
concept HasArity = requires {
  { T::arity } -> std::same_as<const Arity&>;
};
template <class T>
concept HasCoupling = requires {
  { T::channel_flow } -> std::same_as<const ChannelFlow&>;
};
template <class T>
concept HasValidity = requires(const T& op) {
  { op.is_valid() } -> std::same_as<bool>;
};
template <class T>
concept HasAttributes = requires(T& op, const T& constant, AnyField field) {
  T::attributes(op, field);
  T::attributes(constant, field);
};
template <class T>
concept HasChannels = requires(const T& op, InputChannels in) {
  { op.output_channels(in) } -> std::same_as<std::int64_t>;
};
template <class T>
concept HasExtent = requires(const T& op, InputExtents in, std::int64_t channels) {
  { op.output_extent(in, channels) } -> std::same_as<Extent>;
};
template <class T>
concept HasParameters = requires(const T& op, std::int64_t in) {
  { op.parameters(in) } -> std::same_as<OpParameters>;
};
template <class T>
concept HasCost = requires(const T& op, const Extent& in, const Extent& out) {
  { op.macs(in, out) } -> std::same_as<std::int64_t>;
};

/// Whether an op answers all that is asked; where it doesn't, the compiler names what is missing.
template <class T>
consteval bool is_described() {
  static_assert(std::regular<T>, "an op that isn't a plain value: T{}, copies, ==");
  static_assert(HasName<T>, "an op without its name: name()");
  static_assert(HasArity<T>, "an op without its number of inputs: arity");
  static_assert(HasCoupling<T>, "an op without the coupling of its channels: channel_flow");
  static_assert(HasValidity<T>, "an op without a check of its attributes: is_valid()");
  static_assert(HasAttributes<T>, "an op without its JSON: attributes(op, field)");
  static_assert(HasChannels<T>, "an op without its channels: output_channels(in)");
  static_assert(HasExtent<T>, "an op without its extent: output_extent(in, channels)");
  static_assert(HasParameters<T>, "an op without its parameters: parameters(in)");
  static_assert(HasCost<T>, "an op without its cost: macs(in, out)");
  return true;
}

template <class... Ops>
requires(is_described<Ops>() && ...) using OpVariant = std::variant<Ops...>;

using Op = OpVariant<Input, Conv2d, DepthwiseConv2d, GroupedConv2d, BatchNorm, Relu, Relu6, Sigmoid,
                     Dropout, Add, ChannelScale, Concat, ChannelGather, Pool, GlobalAvgPool,
                     Flatten, Linear>;

/// The ops that move a window of weights over their input.
template <class T>
concept Convolves =
    std::same_as<T, Conv2d> || std::same_as<T, DepthwiseConv2d> || std::same_as<T, GroupedConv2d>;
bool is_convolution(const Op& op);

const char* op_name(const Op& op);
ChannelFlow channel_flow(const Op& op);
OpParameters parameters(const Op& op, std::int64_t in);

/// An op of that name, whose attributes are still to be set.
/// Errors    ShapeError: there is none.
Op op_of_name(const std::string& name);

}  // namespace trifold::nn
