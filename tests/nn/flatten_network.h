/// A small network whose images become rows before they are pooled.
#pragma once

#include <cstdint>
#include <string>

#include "nn/graph.h"

namespace trifold::nn {

/// Two convolutions with batch norm and pooling, then three linear layers with dropouts, as VGG's;
/// for images of 8 x 8 pixels alone.
inline Graph flattened(std::int64_t classes = 10, float rate = 0.25f) {
  Graph g;
  NodeId x = g.add("input", Input{3}, {});
  for (const std::int64_t width : {6, 5}) {
    const std::string name = "features." + std::to_string(width);
    x = g.add(name, Conv2d{.filters = width, .window = 3, .pad = 1}, {x});
    x = g.add(name + "_bn", BatchNorm{.relu = true}, {x});
    x = g.add(name + "_pool", Pool{PoolKind::max, 2, 2}, {x});
  }
  x = g.add("flatten", Flatten{2}, {x});
  for (const std::int64_t width : {12, 9}) {
    const std::string name = "classifier." + std::to_string(width);
    x = g.add(name, Linear{width}, {x});
    x = g.add(name + "_relu", Relu{}, {x});
    x = g.add(name + "_dropout", Dropout{rate}, {x});
  }
  g.add("classifier", Linear{classes}, {x});
  return g;
}

}  // namespace trifold::nn
