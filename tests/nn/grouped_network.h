/// A small network with convolutions in groups.
#pragma once

#include <string>

#include "nn/graph.h"

namespace trifold::nn {

/// Four bottlenecks in two stages, the second of which halves the sides, with six groups of two
/// channels and of three in their middle: two blocks can be skipped.
inline Graph grouped_bottlenecks(std::int64_t classes = 10) {
  Graph g;
  NodeId x = g.add("input", Input{3}, {});
  x = g.add("stem", Conv2d{.filters = 8, .window = 3, .pad = 1}, {x});
  x = g.add("stem_bn", BatchNorm{.relu = true}, {x});
  for (int i = 0; i < 4; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    const std::int64_t stage = i / 2, stride = i == 2 ? 2 : 1, width = stage == 0 ? 12 : 18;
    const NodeId in = x;
    NodeId y = g.add(name + ".conv1", Conv2d{.filters = width}, {in});
    y = g.add(name + ".bn1", BatchNorm{.relu = true}, {y});
    y = g.add(name + ".conv2",
              GroupedConv2d{.filters = width, .groups = 6, .window = 3, .stride = stride, .pad = 1},
              {y});
    y = g.add(name + ".bn2", BatchNorm{.relu = true}, {y});
    y = g.add(name + ".conv3", Conv2d{.filters = stage == 0 ? 8 : 12}, {y});
    const bool identity = stride == 1;
    x = g.add(name + ".bn3", BatchNorm{.relu = true},
              identity ? std::vector<NodeId>{y, in} : std::vector<NodeId>{y});
    g.blocks.push_back({name, stage, in, x, identity});
  }
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("fc", Linear{classes}, {x});
  return g;
}

}  // namespace trifold::nn
