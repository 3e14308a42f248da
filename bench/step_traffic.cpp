#include "bench/step_traffic.h"

#include <algorithm>

#include "kernels/cuda/conv2d_plan.h"
#include "nn/norm_fusion.h"
#include "nn/overloaded.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using namespace kernels::cuda;
using nn::NodeId;

std::int64_t div_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Of `count` floats.
double bytes(std::int64_t count) { return 4.0 * static_cast<double>(count); }

/// Multiply-adds of a product of matrices in whole tiles and steps.
double tiled_macs(Conv2dTile tile, std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  const Conv2dTileExtents e = extents(tile);
  return static_cast<double>(div_up(rows, e.rows) * e.rows * div_up(columns, e.columns) *
                             e.columns) *
         static_cast<double>(div_up(depth, conv2d_step) * conv2d_step);
}

double exact_macs(const Conv2dShape& s) {
  return static_cast<double>(s.y_size()) * static_cast<double>(s.r * s.s * s.c);
}

/// Places of one dimension of the input that a window reaches.
std::int64_t reached(std::int64_t extent, std::int64_t outputs, std::int64_t window,
                     std::int64_t stride, std::int64_t pad) {
  std::int64_t count = 0, next = 0;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t first = std::max(next, o * stride - pad);
    const std::int64_t last = std::min(extent, o * stride - pad + window);
    count += std::max<std::int64_t>(0, last - first);
    next = std::max(next, last);
  }
  return count;
}

/// Of a convolution's input, what it reads.
double input_bytes(const Conv2dShape& s) {
  return bytes(s.n * reached(s.h, s.p(), s.r, s.stride_h, s.pad_h) *
               reached(s.w, s.q(), s.s, s.stride_w, s.pad_w) * s.c);
}

/// The phases of a strided convolution's data gradient, one dimension: places, and taps of each.
struct Phase {
  std::int64_t places, taps;
};
Phase phase(std::int64_t index, std::int64_t extent, std::int64_t window, std::int64_t stride,
            std::int64_t pad) {
  const std::int64_t tap = (index + pad) % stride;
  return {index < extent ? (extent - 1 - index) / stride + 1 : 0,
          tap < window ? (window - 1 - tap) / stride + 1 : 0};
}

class Step {
 public:
  Step(const nn::Graph& graph, std::int64_t side, std::int64_t batch, Fusion fusion)
      : graph_(graph),
        batch_(batch),
        fusion_(fusion),
        plan_(nn::plan_norm_fusion(graph)),
        extents_(nn::infer_extents(graph, side)),
        arrived_(graph.nodes.size(), false) {}

  std::vector<Launch> launches() {
    for (NodeId id = 1; id < graph_.size(); ++id) forward(id);
    for (NodeId id = graph_.output(); id > 0; --id) backward(id);
    move("update", 3 * parameters_, 2 * parameters_);
    return std::move(launches_);
  }

 private:
  const nn::Extent& extent(NodeId id) const { return extents_[static_cast<std::size_t>(id)]; }
  double size(NodeId id) const { return bytes(batch_ * extent(id).size()); }
  bool is_part_of_convolution(NodeId id) const {
    return fusion_ == Fusion::convolutions &&
           plan_.part_of_convolution[static_cast<std::size_t>(id)];
  }
  bool gathers_moments(NodeId id) const {
    return fusion_ == Fusion::convolutions && plan_.moments[static_cast<std::size_t>(id)];
  }

  /// Whether the Concat's first input grows into it in place.
  bool grows(NodeId concat) const {
    const NodeId first = graph_.node(concat).inputs[0];
    return fusion_ == Fusion::convolutions &&
           plan_.grows_into[static_cast<std::size_t>(first)] == concat;
  }
  /// What a Concat copies, and its gradient copies back.
  std::vector<NodeId> moved_inputs(NodeId concat) const {
    std::vector<NodeId> inputs = graph_.node(concat).inputs;
    if (grows(concat)) inputs.erase(inputs.begin());
    return inputs;
  }

  void move(const char* kind, double read, double written) {
    launches_.push_back({kind, read, written, read + written});
  }

  /// Whether a gradient of the node's result has come before this one.
  bool arrives_late(NodeId id) {
    const bool late = arrived_[static_cast<std::size_t>(id)];
    arrived_[static_cast<std::size_t>(id)] = true;
    return late;
  }
  /// A gradient that its kernel has written to an array of its own.
  void hand_on(NodeId id) {
    if (id > 0 && arrives_late(id)) move("add", 2 * size(id), size(id));
  }

  Conv2dShape shape(const nn::Node& node, const nn::Conv2d& op) const {
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

  void forward(NodeId id) {
    const nn::Node& node = graph_.node(id);
    const NodeId x = node.inputs[0];
    std::visit(
        nn::Overloaded{[&](const nn::Input&) {},
                       [&](const nn::Conv2d& op) { forward(id, shape(node, op)); },
                       [&](const nn::BatchNorm& op) { forward(id, op); },
                       [&](const nn::Relu&) { move("ReLU", size(x), size(id)); },
                       [&](const nn::Add&) { move("add", 2 * size(id), size(id)); },
                       [&](const nn::Concat&) {
                         for (NodeId input : moved_inputs(id)) {
                           move("concat", size(input), size(input));
                         }
                       },
                       [&](const nn::ChannelGather&) {
                         move("gather", size(id) * std::min(1.0, channel_share(x, id)), size(id));
                       },
                       [&](const nn::Pool&) { move("pool", size(x), size(id)); },
                       [&](const nn::GlobalAvgPool&) { move("pool", size(x), size(id)); },
                       [&](const nn::Linear& op) {
                         const std::int64_t weights = extent(x).c * op.outputs;
                         parameters_ += bytes(weights + op.outputs);
                         const double macs = static_cast<double>(batch_ * weights);
                         launches_.push_back({"linear", size(x) + bytes(weights), size(id),
                                              size(x) + bytes(weights) + size(id), macs, macs});
                       }},
        node.op);
  }

  double channel_share(NodeId x, NodeId y) const {
    return static_cast<double>(extent(x).c) / static_cast<double>(extent(y).c);
  }

  void forward(NodeId id, const Conv2dShape& s) {
    parameters_ += bytes(s.w_size());
    const std::int64_t rows = s.n * s.p() * s.q();
    const Conv2dTile tile = choose_conv2d_tile(rows, s.k);
    const double read = input_bytes(s) + bytes(s.w_size()), written = bytes(s.y_size());
    const double parts =
        gathers_moments(id) ? bytes(3 * s.k * div_up(rows, extents(tile).rows)) : 0;
    launches_.push_back({"convolution, forward", read, written + parts, read + written,
                         tiled_macs(tile, rows, s.k, s.r * s.s * s.c), exact_macs(s)});
    if (parts > 0) add_parts(parts, 3 * s.k);
  }

  void forward(NodeId id, const nn::BatchNorm& op) {
    const nn::Node& node = graph_.node(id);
    const bool residual = node.inputs.size() == 2;
    const std::int64_t channels = extent(id).c;
    parameters_ += bytes(2 * channels);
    if (fusion_ == Fusion::convolutions) {
      move("norm, factors", bytes(7 * channels), bytes(6 * channels));
    } else {
      move("norm, statistics", size(id), 0);
    }
    if (is_part_of_convolution(id)) return;
    const bool alone = fusion_ == Fusion::none;
    move("norm, apply", size(id) * (residual && !alone ? 2 : 1), size(id));
    if (alone && residual) move("add", 2 * size(id), size(id));
    if (alone && op.relu) move("ReLU", size(id), size(id));
  }

  void backward(NodeId id) {
    const nn::Node& node = graph_.node(id);
    const NodeId x = node.inputs[0];
    std::visit(nn::Overloaded{[&](const nn::Input&) {},
                              [&](const nn::Conv2d& op) { backward(x, shape(node, op)); },
                              [&](const nn::BatchNorm& op) {
                                if (!is_part_of_convolution(id)) backward(id, op);
                              },
                              [&](const nn::Relu&) {
                                move("ReLU, gradient", 2 * size(id), size(x));
                                hand_on(x);
                              },
                              [&](const nn::Add&) {
                                for (NodeId input : node.inputs) hand_on(input);
                              },
                              [&](const nn::Concat&) {
                                if (grows(id)) arrives_late(x);  // where it lies
                                for (NodeId input : moved_inputs(id)) {
                                  const bool late = arrives_late(input);
                                  move("concat", size(input) * (late ? 2 : 1), size(input));
                                }
                              },
                              [&](const nn::ChannelGather&) {
                                move("gather", size(id) * std::min(1.0, channel_share(x, id)),
                                     size(x));
                                hand_on(x);
                              },
                              [&](const nn::Pool&) {
                                move("pool", size(id), size(x));
                                hand_on(x);
                              },
                              [&](const nn::GlobalAvgPool&) {
                                move("pool", size(id), size(x));
                                hand_on(x);
                              },
                              [&](const nn::Linear& op) {
                                const double weights = bytes(extent(x).c * op.outputs);
                                move("linear", size(id) + weights, size(x));
                                move("linear", size(id) + size(x), weights);
                                hand_on(x);
                              }},
               node.op);
  }

  void backward(NodeId x, const Conv2dShape& s) {
    backward_weight(s);
    if (x == 0) return;
    const bool normed = is_part_of_convolution(x);
    std::int64_t rows = s.n * div_up(s.h, s.stride_h) * div_up(s.w, s.stride_w);
    const std::int64_t phases = s.stride_h * s.stride_w;
    const Conv2dTile tile = choose_conv2d_tile(rows * phases, s.c);
    double macs = 0;
    for (std::int64_t i = 0; i < s.stride_h; ++i) {
      for (std::int64_t j = 0; j < s.stride_w; ++j) {
        const Phase down = phase(i, s.h, s.r, s.stride_h, s.pad_h);
        const Phase across = phase(j, s.w, s.s, s.stride_w, s.pad_w);
        macs +=
            tiled_macs(tile, s.n * down.places * across.places, s.c, down.taps * across.taps * s.k);
      }
    }
    const double parts = normed ? bytes(2 * s.c * phases * div_up(rows, extents(tile).rows)) : 0;
    const double dx = bytes(s.x_size());
    double read = bytes(s.y_size() + s.w_size());
    // With a norm in between, the kernel writes its own array, and the norm's gradient is added.
    const NodeId to = normed ? graph_.node(x).inputs[0] : x;
    const bool late = arrives_late(to);
    if (normed || (late && fusion_ != Fusion::none)) read += dx;
    launches_.push_back(
        {"convolution, data gradient", read, dx + parts, read + dx, macs, exact_macs(s)});
    if (normed) {
      add_parts(parts, 2 * s.c);
      move("norm, gradient", dx * (late ? 3 : 2), dx);
    } else if (late && fusion_ == Fusion::none) {
      move("add", 2 * dx, dx);
    }
  }

  void backward_weight(const Conv2dShape& s) {
    const std::int64_t rows = s.r * s.s * s.c, pixels = s.n * s.p() * s.q();
    const Conv2dTile tile = choose_conv2d_split_tile(rows, s.k);
    const std::int64_t count = split_conv2d_weight(rows, s.k, pixels, tile).parts;
    const double read = input_bytes(s) + bytes(s.y_size()), dw = bytes(s.w_size());
    const double parts = count > 1 ? static_cast<double>(count) * dw : 0;
    launches_.push_back({"convolution, weight gradient", read, parts > 0 ? parts : dw, read + dw,
                         tiled_macs(tile, rows, s.k, pixels), exact_macs(s)});
    if (parts > 0) add_parts(parts, s.w_size());
  }

  void add_parts(double parts, std::int64_t results) {
    launches_.push_back({"sums of parts", parts, bytes(results), 0});
  }

  void backward(NodeId id, const nn::BatchNorm& op) {
    const nn::Node& node = graph_.node(id);
    const bool residual = node.inputs.size() == 2;
    if (fusion_ == Fusion::none) {
      if (op.relu) move("ReLU, gradient", 2 * size(id), size(id));
      if (residual) hand_on(node.inputs[1]);
      move("norm, gradient sums", 2 * size(id), 0);
      move("norm, gradient", 2 * size(id), size(id));
    } else {
      // With a residual the sums leave its gradient, the gated one, for the second pass too.
      const int gated = op.relu ? 3 : 2;
      move("norm, gradient sums", size(id) * gated, residual ? size(id) : 0);
      move("norm, gradient", size(id) * (residual ? 2 : gated), size(id));
      if (residual) hand_on(node.inputs[1]);
    }
    hand_on(node.inputs[0]);
  }

  const nn::Graph& graph_;
  std::int64_t batch_;
  Fusion fusion_;
  nn::NormFusion plan_;
  std::vector<nn::Extent> extents_;
  std::vector<bool> arrived_;
  double parameters_ = 0;  // bytes
  std::vector<Launch> launches_;
};

}  // namespace

std::vector<Launch> training_step(const nn::Graph& graph, std::int64_t side, std::int64_t batch,
                                  Fusion fusion) {
  return Step(graph, side, batch, fusion).launches();
}

}  // namespace trifold::bench
