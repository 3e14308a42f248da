#include "bench/step_traffic.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "bench/conv2d_work.h"
#include "bench/grouped_work.h"
#include "bench/launch_list.h"
#include "bench/step_layout.h"
#include "kernels/cuda/columns_plan.h"
#include "kernels/cuda/linear_plan.h"
#include "kernels/cuda/optimizer_plan.h"
#include "nn/overloaded.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using kernels::GroupedConv2dShape;
using nn::NodeId;

class Step : private StepLayout, private LaunchList {
 public:
  Step(const nn::Graph& graph, std::int64_t side, std::int64_t batch, Fusion fusion,
       bool tensor_cores)
      : StepLayout(graph, side, batch, fusion == Fusion::convolutions),
        LaunchList(2 * graph.size()),
        batch_(batch),
        fusion_(fusion),
        tensor_cores_(tensor_cores),
        gradients_(graph.nodes.size(), none),
        deferred_(graph.nodes.size(), false) {}

  std::vector<Launch> launches() {
    for (NodeId id = 0; id < graph().size(); ++id) {
      forward(id);
      if (gathers_statistics(id) && !brings_statistics(id)) {
        sum_over_rows("norm, statistics", id, {value(id)}, {});
      }
    }
    loss();
    for (NodeId id = graph().output(); id > 0; --id) backward(id);
    update();
    return take();
  }

 private:
  static constexpr std::int64_t none = -1;

  // Names of arrays: a node's value and weights, and from LaunchList whatever else is made.
  Array weights(NodeId id, std::int64_t count) const { return {graph().size() + id, bytes(count)}; }
  Array weights(NodeId id, const Conv2dShape& s) const { return weights(id, s.w_size()); }
  Array gradient(NodeId id) const {
    return {gradients_[static_cast<std::size_t>(id)], gradient_bytes(id)};
  }

  /// The cross entropy of each image, its mean, and the gradients of both.
  void loss() {
    const NodeId output = graph().output();
    const Array logits = own_gradient(output), losses{fresh(), bytes(batch_)};
    const Array mean{fresh(), bytes(1)}, of_mean{fresh(), bytes(1)};
    move("loss", {value(output)}, {losses, logits});
    move("loss", {losses}, {mean});
    move("loss", {}, {of_mean});
    move("loss", {logits, of_mean}, {logits});
  }

  /// A parameter of so many elements.
  void learn(std::int64_t count) { parameters_.push_back(bytes(count)); }
  void update() {
    constexpr std::size_t most = kernels::cuda::most_updates;
    for (std::size_t first = 0; first < parameters_.size(); first += most) {
      const auto begin = parameters_.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = std::min(most, parameters_.size() - first);
      const double size = std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(count), 0.0);
      const Array some{fresh(), size}, gradients{fresh(), size}, momenta{fresh(), size};
      move("update", {some, gradients, momenta}, {some, momenta});
    }
  }

  /// A pass over the rows of x that leaves two sums a channel, in double for each of its chunks.
  void sum_over_rows(const char* kind, NodeId x, Arrays reads, Arrays writes,
                     bool coefficients = false) {
    const std::int64_t c = extent(x).c;
    const auto cut = kernels::cuda::cut_columns(pixels(x), c, c % 4 == 0 ? 4 : 1,
                                                kernels::cuda::most_sum_blocks);
    const Parts parts{2 * cut.chunks, 2 * c};
    move_in_parts({kind, std::move(reads), std::move(writes)},
                  {coefficients ? with_coefficients(parts, c) : parts});
  }

  bool is_deferred(NodeId id) const { return deferred_[static_cast<std::size_t>(id)]; }
  bool has_gradient(NodeId id) const { return gradient(id).name != none; }
  /// The array of the node's gradient, with those that have arrived so far in it.
  Array own_gradient(NodeId id) {
    std::int64_t& name = gradients_[static_cast<std::size_t>(id)];
    if (name == none) name = fresh();
    return gradient(id);
  }
  /// A gradient that its kernel has written to an array of its own, or that is another node's too.
  void hand_on(NodeId id, std::int64_t name) {
    if (id == 0) return;
    if (has_gradient(id)) {
      move("add", {gradient(id), {name, size(id)}}, {gradient(id)});
    } else {
      gradients_[static_cast<std::size_t>(id)] = name;
    }
  }

  void forward(NodeId id) {
    const nn::Node& node = graph().node(id);
    if (node.inputs.empty()) return;
    const NodeId x = node.inputs[0];
    std::visit(
        nn::Overloaded{
            [&](const nn::Input&) {},
            [&](const nn::Conv2d& op) {
              forward(id, shape(node, op));
              if (op.bias) learn(extent(id).c);
            },
            [&](const nn::DepthwiseConv2d& op) {
              const std::int64_t count = op.window * op.window * extent(x).c;
              learn(count);
              if (op.bias) learn(extent(x).c);
              move("depthwise", {value(x), weights(id, count)}, {value(id)});
              last().macs = last().least_macs = depthwise_macs(id, op);
            },
            [&](const nn::GroupedConv2d& op) {
              const GroupedConv2dShape s = shape(graph().node(id), op);
              learn(s.w_size());
              if (op.bias) learn(s.k);
              add_grouped_forward(*this, s, value(x), weights(id, s.w_size()), value(id));
            },
            [&](const nn::BatchNorm& op) { forward(id, op); },
            [&](const nn::Relu&) { move("ReLU", {value(x)}, {value(id)}); },
            [&](const nn::Relu6&) { move("ReLU", {value(x)}, {value(id)}); },
            [&](const nn::Sigmoid&) { move("sigmoid", {value(x)}, {value(id)}); },
            [&](const nn::Dropout&) { move("dropout", {value(x)}, {value(id)}); },
            [&](const nn::Flatten&) { move("flatten", {value(x)}, {value(id)}); },
            [&](const nn::Add&) {
              move("add", {value(x), value(node.inputs[1])}, {value(id)});
            },
            [&](const nn::ChannelScale&) {
              move("channel scale", {value(x), value(node.inputs[1])}, {value(id)});
            },
            [&](const nn::Concat&) {
              for (const auto& [input, bytes] : moved_inputs(id)) {
                move("concat", {value(input)}, {{value(id).name, bytes}});
              }
              if (gathers_statistics(id)) concat_statistics(id);
            },
            [&](const nn::ChannelGather&) { move("gather", {gathered(x, id)}, {value(id)}); },
            [&](const nn::Pool&) { move("pool", {value(x)}, {value(id)}); },
            [&](const nn::GlobalAvgPool&) { move("pool", {value(x)}, {value(id)}); },
            [&](const nn::Linear& op) {
              const std::int64_t count = extent(x).c * op.outputs;
              learn(count);
              learn(op.outputs);
              move("linear", {value(x), weights(id, count)}, {value(id)});
              last().macs = last().least_macs = static_cast<double>(batch_ * count);
            }},
        node.op);
  }

  double depthwise_macs(NodeId id, const nn::DepthwiseConv2d& op) const {
    return static_cast<double>(pixels(id) * extent(id).c * op.window * op.window);
  }

  /// What a ChannelGather takes of x.
  Array gathered(NodeId x, NodeId id) const {
    const double share = static_cast<double>(extent(x).c) / static_cast<double>(extent(id).c);
    return {value(x).name, size(id) * std::min(1.0, share)};
  }

  void forward(NodeId id, const Conv2dShape& s) {
    learn(s.w_size());
    const Conv2dWork work = forward_work(s);
    Launch launch{"convolution, forward", {input(id, s), weights(id, s)}, {value(id)}};
    launch.macs = work.macs, launch.least_macs = least_macs(s);
    launch.kernel = kernel_of(
        work, "forward_kernel",
        std::string(input_norm(id)) + ", " +
            (fused() && brings_statistics(id) ? "StatisticsEpilogue" : "PointwiseEpilogue"));
    std::vector<Parts> parts;
    if (gathers_statistics(id)) {
      const Parts statistics = tile_parts(work.parts, 3, 2, s.k);
      parts.push_back(has_norm_behind(id) ? with_factors(statistics, s.k) : statistics);
    }
    move_in_parts(std::move(launch), parts);
  }

  /// The kernel that does a convolution's work, with what follows the tile in its arguments.
  static Kernel kernel_of(const Conv2dWork& work, const char* function, const std::string& rest) {
    Kernel kernel = work.kernel;
    kernel.function = function;
    if (!rest.empty()) kernel.arguments += ", " + rest;
    return kernel;
  }
  /// What a convolution works on its input where it reads it.
  const char* input_norm(NodeId id) const {
    return is_part_of_convolution(graph().node(id).inputs[0]) ? "Norm" : "NoNorm";
  }

  void concat_statistics(NodeId id) {
    const Array all{fresh(), bytes(3 * extent(id).c)};
    for (NodeId input : graph().node(id).inputs) {
      const double part = bytes(3 * extent(input).c);
      move("concat", {{fresh(), part}}, {{all.name, part}});
    }
  }

  void forward(NodeId id, const nn::BatchNorm& op) {
    const nn::Node& node = graph().node(id);
    const NodeId x = node.inputs[0];
    const bool residual = node.inputs.size() == 2;
    const std::int64_t channels = extent(id).c;
    learn(channels);
    learn(channels);
    if (!fused()) {
      sum_over_rows("norm, statistics", x, {value(x)}, {});
    } else if (!has_norm_behind(x)) {
      move("norm, factors", {{fresh(), bytes(7 * channels)}}, {{fresh(), bytes(6 * channels)}});
    }
    if (is_part_of_convolution(id)) return;
    const bool alone = fusion_ == Fusion::none;
    Arrays reads{value(x)};
    if (residual && !alone) reads.push_back(value(node.inputs[1]));
    move("norm, apply", reads, {value(id)});
    if (alone && residual) move("add", {value(id), value(node.inputs[1])}, {value(id)});
    if (alone && op.relu) move("ReLU", {value(id)}, {value(id)});
  }

  void backward(NodeId id) {
    const nn::Node& node = graph().node(id);
    const NodeId x = node.inputs[0];
    const auto hand_on_new = [&](const char* kind, Arrays reads) {
      const Array dx{fresh(), size(x)};
      move(kind, std::move(reads), {dx});
      hand_on(x, dx.name);
    };
    std::visit(nn::Overloaded{
                   [&](const nn::Input&) {},
                   [&](const nn::Conv2d& op) { backward(id, shape(node, op), op.bias); },
                   [&](const nn::DepthwiseConv2d& op) {
                     backward(id, op);
                     hand_on_new("depthwise, data gradient",
                                 {gradient(id), weights(id, op.window * op.window * extent(id).c)});
                     last().macs = last().least_macs = depthwise_macs(id, op);
                   },
                   [&](const nn::GroupedConv2d& op) { backward(id, op); },
                   [&](const nn::BatchNorm& op) { backward(id, op); },
                   [&](const nn::Relu&) {
                     hand_on_new("ReLU, gradient", {value(id), gradient(id)});
                   },
                   [&](const nn::Relu6&) {
                     hand_on_new("ReLU, gradient", {value(id), gradient(id)});
                   },
                   [&](const nn::Sigmoid&) {
                     hand_on_new("sigmoid, gradient", {value(x), gradient(id)});
                   },
                   [&](const nn::Dropout&) { hand_on_new("dropout", {gradient(id)}); },
                   [&](const nn::Flatten&) { hand_on_new("flatten", {gradient(id)}); },
                   [&](const nn::Add&) {
                     for (NodeId input : node.inputs) hand_on(input, gradient(id).name);
                   },
                   [&](const nn::ChannelScale&) {
                     sum_factors(id);
                     hand_on_new("channel scale", {gradient(id), value(node.inputs[1])});
                   },
                   [&](const nn::Concat&) {
                     if (grows(id)) hand_on_in_place(x, id);
                     for (const auto& [input, bytes] : moved_inputs(id)) {
                       Arrays reads{{gradient(id).name, bytes}};
                       if (has_gradient(input)) reads.push_back(gradient(input));
                       move("concat", reads, {own_gradient(input)});
                     }
                   },
                   [&](const nn::ChannelGather&) {
                     const std::int64_t from = extent(x).c, to = extent(id).c;
                     const Array chains{fresh(), bytes(from + to)};
                     move("gather", {{fresh(), bytes(to)}}, {chains});
                     hand_on_new("gather", {{gradient(id).name, gathered(x, id).bytes}, chains});
                   },
                   [&](const nn::Pool&) { hand_on_new("pool", {gradient(id)}); },
                   [&](const nn::GlobalAvgPool&) { hand_on_new("pool", {gradient(id)}); },
                   [&](const nn::Linear& op) {
                     backward(id, op);
                     hand_on_new("linear", {gradient(id), weights(id, extent(x).c * op.outputs)});
                   }},
               node.op);
  }

  /// The gradient of what scales channels.
  void sum_factors(NodeId id) {
    const std::vector<NodeId>& inputs = graph().node(id).inputs;
    const Array sums{fresh(), size(inputs[1])};
    move("channel scale, factors", {value(inputs[0]), gradient(id)}, {sums});
    hand_on(inputs[1], sums.name);
  }

  /// The gradients of a depthwise convolution's weights and bias: a launch, and one that adds its
  /// sums, for each nine taps of the window.
  void backward(NodeId id, const nn::DepthwiseConv2d& op) {
    const std::int64_t c = extent(id).c, taps = op.window * op.window, at_once = 9;
    const auto cut = kernels::cuda::cut_columns(pixels(id), c, 1, kernels::cuda::most_sum_blocks);
    for (std::int64_t first = 0; first < taps; first += at_once) {
      Launch launch{
          "depthwise, weight gradient", {value(graph().node(id).inputs[0]), gradient(id)}, {}};
      const std::int64_t summed = std::min(at_once, taps - first);
      launch.macs = launch.least_macs = static_cast<double>(pixels(id) * c * summed);
      move_in_parts(std::move(launch), {{2 * cut.chunks, at_once * c}});
    }
    if (op.bias) sum_bias(id, pixels(id), c);
  }

  void backward(NodeId id, const nn::GroupedConv2d& op) {
    const NodeId x = graph().node(id).inputs[0];
    const GroupedConv2dShape s = shape(graph().node(id), op);
    add_grouped_backward_weight(*this, s, value(x), gradient(id), {fresh(), bytes(s.w_size())});
    if (op.bias) sum_bias(id, pixels(id), s.k);
    const bool adds = has_gradient(x);
    add_grouped_backward_data(*this, s, gradient(id), weights(id, s.w_size()), own_gradient(x),
                              adds);
  }

  /// The gradients of a linear layer's weights and bias.
  void backward(NodeId id, const nn::Linear& op) {
    const NodeId x = graph().node(id).inputs[0];
    const std::int64_t inputs = extent(x).c, count = inputs * op.outputs;
    const std::int64_t parts = kernels::cuda::plan_linear(inputs, op.outputs, batch_, false).parts;
    const Array partial{fresh(), bytes(parts * count)};
    move("linear", {own_gradient(id), value(x)}, {partial});
    if (parts > 1) move("linear", {partial}, {{fresh(), bytes(count)}});
    sum_bias(id, batch_, op.outputs);
  }
  void sum_bias(NodeId id, std::int64_t rows, std::int64_t outputs) {
    add_parts({{gradient(id), matrix_parts(rows, outputs)}});
  }

  /// The gradient of what has grown in place lies where that of the whole does.
  void hand_on_in_place(NodeId x, NodeId concat) {
    gradients_[static_cast<std::size_t>(x)] = gradient(concat).name;
  }

  void backward(NodeId id, const Conv2dShape& s, bool has_bias) {
    const bool both = graph().node(id).inputs[0] != 0;
    if (fused() && !has_bias) {
      if (const auto work = fused_backward_work(s, tensor_cores_, both)) {
        return backward_at_once(id, s, *work, both);
      }
    }
    const bool kept = is_deferred(id) && both;
    const Array dy = kept ? Array{fresh(), size(id)} : gradient(id);
    std::vector<PartsLeft> left = backward_weight(id, s, kept ? Arrays{dy} : Arrays{});
    // A launch adds both halves' parts.
    if (!both || !sums_up(id)) add_parts(std::exchange(left, {}));
    if (has_bias) sum_bias(id, pixels(id), s.k);
    if (both) backward_data(id, s, dy, std::move(left));
  }

  /// What gives the gradient of a convolution's result: itself, or that of a norm behind and y.
  Arrays output_gradient(NodeId id) const {
    return is_deferred(id) ? Arrays{gradient(id), value(id)} : Arrays{gradient(id)};
  }
  /// What the ReLU mask of a convolution's input and its sums need beside the input itself, as it
  /// is stored or deferred.
  Arrays mask(NodeId id) const {
    const NodeId x = graph().node(id).inputs[0];
    if (!sums_up(id) || is_part_of_convolution(x)) return {};
    return {value(graph().node(x).inputs[0])};
  }
  /// Notes the partial results of a gradient of the filters, or the gradient itself.
  void leave_filters(Launch& launch, std::vector<Parts>& left, const Conv2dShape& s,
                     std::int64_t parts) {
    if (parts > 1) {
      left.push_back(matrix_parts(parts, s.w_size()));
      launch.least_bytes += bytes(s.w_size());
    } else {
      launch.writes.push_back({fresh(), bytes(s.w_size())});
    }
  }
  /// The sums that a convolution leaves the batch norm x in front of it.
  Parts gradient_sums(NodeId x, const Conv2dShape& s, const Conv2dWork& work) const {
    const Parts sums = tile_parts(work.parts, 2, 2, s.c);
    return leaves_deferred(x) ? with_coefficients(sums, s.c) : sums;
  }
  static void append(Arrays& to, const Arrays& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  void backward_at_once(NodeId id, const Conv2dShape& s, const Conv2dWork& work, bool both) {
    const NodeId x = graph().node(id).inputs[0];
    Launch launch{"convolution, both gradients", {input(id, s), weights(id, s)}, {}};
    append(launch.reads, output_gradient(id));
    launch.macs = work.macs, launch.least_macs = (both ? 2 : 1) * least_macs(s);
    launch.kernel = kernel_of(work, "fused_backward_kernel", "");
    std::vector<Parts> parts;
    if (both) {
      append(launch.reads, mask(id));
      if (has_gradient(x)) launch.reads.push_back(gradient(x));
      launch.writes.push_back(own_gradient(x));
    }
    leave_filters(launch, parts, s, work.parts);
    if (sums_up(id)) parts.push_back(gradient_sums(x, s, work));
    move_in_parts(std::move(launch), parts);
  }

  /// `kept` is where a deferred dy is kept.
  std::vector<PartsLeft> backward_weight(NodeId id, const Conv2dShape& s, const Arrays& kept) {
    const Conv2dWork work = weight_gradient_work(s);
    Launch launch{"convolution, weight gradient", {input(id, s)}, kept};
    append(launch.reads, output_gradient(id));
    launch.macs = work.macs, launch.least_macs = least_macs(s);
    launch.kernel = kernel_of(work, "backward_weight_kernel",
                              std::string(input_norm(id)) + ", " +
                                  (is_deferred(id) ? "DeferredGradient" : "StoredGradient"));
    std::vector<Parts> parts;
    leave_filters(launch, parts, s, work.parts);
    return leave_parts(std::move(launch), parts);
  }

  /// `left` are the weight gradient's parts, where they are still to be added.
  void backward_data(NodeId id, const Conv2dShape& s, const Array& dy,
                     std::vector<PartsLeft> left) {
    const NodeId x = graph().node(id).inputs[0];
    const Conv2dWork work = data_gradient_work(s);
    Launch launch{"convolution, data gradient", {dy, weights(id, s)}, {}};
    launch.macs = work.macs, launch.least_macs = least_macs(s);
    launch.kernel = kernel_of(work, "backward_data_kernel",
                              sums_up(id) ? "GradientEpilogue" : "PointwiseEpilogue");
    if (sums_up(id)) {
      const nn::Node& norm = graph().node(x);
      if (is_part_of_convolution(x) || std::get<nn::BatchNorm>(norm.op).relu) {
        launch.reads.push_back(value(x));
      }
      append(launch.reads, mask(id));
    }
    const bool adds_later = has_gradient(x) && fusion_ == Fusion::none;
    if (has_gradient(x) && !adds_later) launch.reads.push_back(gradient(x));
    const Array dx = adds_later ? Array{fresh(), size(x)} : own_gradient(x);
    launch.writes.push_back(dx);
    for (const PartsLeft& of_g :
         leave_parts(std::move(launch),
                     sums_up(id) ? std::vector{gradient_sums(x, s, work)} : std::vector<Parts>{})) {
      left.push_back(of_g);
    }
    add_parts(left);
    if (adds_later) hand_on(x, dx.name);
  }

  void backward(NodeId id, const nn::BatchNorm& op) {
    const nn::Node& node = graph().node(id);
    const NodeId x = node.inputs[0];
    const bool residual = node.inputs.size() == 2;
    const Array g = gradient(id);
    Arrays mask;
    if (op.relu && fusion_ == Fusion::none) move("ReLU, gradient", {value(id), g}, {g});
    if (op.relu && fusion_ != Fusion::none) mask = {value(id)};
    if (is_summed_up(id)) {
      mask.clear();
    } else {
      // The sums leave the masked gradient where others want it, too.
      Arrays reads{value(x), g};
      append(reads, mask);
      const bool leaves = !mask.empty() && (residual || fused());
      sum_over_rows("norm, gradient sums", x, reads, leaves ? Arrays{g} : Arrays{},
                    leaves_deferred(id));
      if (leaves) mask.clear();
    }
    if (residual) hand_on(node.inputs[1], g.name);
    if (leaves_deferred(id)) {
      deferred_[static_cast<std::size_t>(x)] = true;
      gradients_[static_cast<std::size_t>(x)] = g.name;
      return;
    }
    Arrays reads{value(x), g};
    append(reads, mask);
    // In a fused step the gradient is added to where that of x lies.
    const bool adds = fused() && has_gradient(x);
    if (adds) reads.push_back(gradient(x));
    const Array dx = adds ? gradient(x) : Array{fresh(), size(x)};
    move("norm, gradient", reads, {dx});
    if (!adds) hand_on(x, dx.name);
  }

  std::int64_t batch_;
  Fusion fusion_;
  bool tensor_cores_;
  std::vector<std::int64_t> gradients_;  // names
  std::vector<bool> deferred_;           // gradients of which a batch norm left factors
  std::vector<double> parameters_;       // bytes of each
};

}  // namespace

std::vector<Launch> training_step(const nn::Graph& graph, std::int64_t side, std::int64_t batch,
                                  Fusion fusion, bool tensor_cores) {
  return Step(graph, side, batch, fusion, tensor_cores).launches();
}

}  // namespace trifold::bench
