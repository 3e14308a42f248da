/// A small network with depthwise convolutions.
#pragma once

#include <string>

#include "nn/graph.h"

namespace trifold::nn {

/// Four inverted residual blocks in two stages of 8 and 12 channels, the second of which halves the
/// sides: two blocks can be skipped. Windows are 3 wide in the first stage and 5 in the second.
inline Graph inverted_residuals(std::int64_t classes = 10) {
  Graph g;
  NodeId x = g.add("input", Input{3}, {});
  x = g.add("stem", Conv2d{.filters = 8, .window = 3, .pad = 1}, {x});
  x = g.add("stem_bn", BatchNorm{.relu = true}, {x});
  std::int64_t width = 8;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    const std::int64_t stage = i / 2, stride = i == 2 ? 2 : 1, window = stage == 0 ? 3 : 5;
    const NodeId in = x;
    NodeId y = g.add(name + ".conv1", Conv2d{.filters = 3 * width}, {in});
    y = g.add(name + ".bn1", BatchNorm{.relu = true}, {y});
    y = g.add(name + ".conv2",
              DepthwiseConv2d{.window = window, .stride = stride, .pad = window / 2}, {y});
    y = g.add(name + ".bn2", BatchNorm{.relu = true}, {y});
    width = stage == 0 ? 8 : 12;
    y = g.add(name + ".conv3", Conv2d{.filters = width}, {y});
    const bool identity = stride == 1;
    x = g.add(name + ".bn3", BatchNorm{},
              identity ? std::vector<NodeId>{y, in} : std::vector<NodeId>{y});
    g.blocks.push_back({name, stage, in, x, identity});
  }
  x = g.add("head", Conv2d{.filters = 16}, {x});
  x = g.add("head_bn", BatchNorm{.relu = true}, {x});
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("fc", Linear{classes}, {x});
  return g;
}

}  // namespace trifold::nn
