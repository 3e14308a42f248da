/// A small network with squeeze-and-excitation, as EfficientNet and MobileNetV3 have it.
#pragma once

#include <string>

#include "nn/graph.h"

namespace trifold::nn {

/// Three inverted residual blocks in two stages of 8 and 12 channels: the first and the last can be
/// skipped. With SiLU and sigmoids, or with HardSwish, hard sigmoids and a ReLU in the squeeze.
inline Graph excited_residuals(std::int64_t classes = 10, bool hard = false) {
  using Kind = kernels::SigmoidKind;
  const Sigmoid act{hard ? Kind::hard_swish : Kind::silu},
      gate{hard ? Kind::hard_sigmoid : Kind::sigmoid};
  Graph g;
  NodeId x = g.add("input", Input{3}, {});
  x = g.add("stem", Conv2d{.filters = 8, .window = 3, .pad = 1}, {x});
  x = g.add("stem_bn", BatchNorm{}, {x});
  x = g.add("stem_act", act, {x});
  std::int64_t width = 8;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "blocks." + std::to_string(i) + ".";
    const std::int64_t stage = i == 0 ? 0 : 1, stride = i == 1 ? 2 : 1;
    const NodeId in = x;
    NodeId y = g.add(name + "conv1", Conv2d{.filters = 2 * width}, {in});
    y = g.add(name + "bn1", BatchNorm{}, {y});
    y = g.add(name + "act1", act, {y});
    y = g.add(name + "conv2", DepthwiseConv2d{.window = 3, .stride = stride, .pad = 1}, {y});
    y = g.add(name + "bn2", BatchNorm{}, {y});
    y = g.add(name + "act2", act, {y});
    NodeId s = g.add(name + "squeeze", GlobalAvgPool{}, {y});
    s = g.add(name + "fc1", Linear{4}, {s});
    s = hard ? g.add(name + "fc1_act", Relu{}, {s}) : g.add(name + "fc1_act", act, {s});
    s = g.add(name + "fc2", Linear{2 * width}, {s});
    s = g.add(name + "gate", gate, {s});
    y = g.add(name + "scale", ChannelScale{}, {y, s});
    width = stage == 0 ? 8 : 12;
    y = g.add(name + "conv3", Conv2d{.filters = width}, {y});
    y = g.add(name + "bn3", BatchNorm{},
              stride == 1 ? std::vector<NodeId>{y, in} : std::vector<NodeId>{y});
    x = y;
    g.blocks.push_back({"blocks." + std::to_string(i), stage, in, x, stride == 1});
  }
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("fc", Linear{classes}, {x});
  return g;
}

}  // namespace trifold::nn
