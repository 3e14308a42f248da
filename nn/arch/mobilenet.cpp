#include "nn/arch/mobilenet.h"

#include <fmt/format.h>

namespace trifold::nn {
namespace {

struct Stage {
  std::int64_t expansion, width, blocks, stride;
};
constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 1},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

struct Stream {
  NodeId node;
  std::int64_t channels;
};

// A block of the network, its nodes named `prefix` and so on.
Stream inverted_residual(Graph& g, const std::string& prefix, Stream x, const Stage& stage,
                         std::int64_t stride) {
  const auto conv = [&](const std::string& name, NodeId from, std::int64_t filters) {
    return g.add(prefix + name, Conv2d{.filters = filters}, {from});
  };
  NodeId y = conv("conv1", x.node, stage.expansion * x.channels);
  y = g.add(prefix + "bn1", BatchNorm{.relu = true}, {y});
  y = g.add(prefix + "conv2", DepthwiseConv2d{.window = 3, .stride = stride, .pad = 1}, {y});
  y = g.add(prefix + "bn2", BatchNorm{.relu = true}, {y});
  y = conv("conv3", y, stage.width);
  if (stride != 1) return {g.add(prefix + "bn3", BatchNorm{}, {y}), stage.width};
  NodeId residual = x.node;
  if (x.channels != stage.width) {
    residual = conv("shortcut.0", x.node, stage.width);
    residual = g.add(prefix + "shortcut.1", BatchNorm{}, {residual});
  }
  return {g.add(prefix + "bn3", BatchNorm{}, {y, residual}), stage.width};
}

}  // namespace

Graph mobilenet_v2(std::int64_t channels, std::int64_t classes) {
  Graph g;
  NodeId x = g.add("input", Input{channels}, {});
  x = g.add("conv1", Conv2d{.filters = 32, .window = 3, .pad = 1}, {x});
  Stream stream{g.add("bn1", BatchNorm{.relu = true}, {x}), 32};
  std::int64_t index = 0;
  for (const Stage& stage : stages) {
    for (std::int64_t block = 0; block < stage.blocks; ++block) {
      const std::string name = fmt::format("layers.{}", std::ssize(g.blocks));
      const Stream in = stream;
      const std::int64_t stride = block == 0 ? stage.stride : 1;
      stream = inverted_residual(g, name + ".", in, stage, stride);
      const bool identity = stride == 1 && in.channels == stream.channels;
      g.blocks.push_back({name, index, in.node, stream.node, identity});
    }
    ++index;
  }
  x = g.add("conv2", Conv2d{.filters = 1280}, {stream.node});
  x = g.add("bn2", BatchNorm{.relu = true}, {x});
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("linear", Linear{classes}, {x});
  return g;
}

ArchitectureFamily mobilenets() {
  return {.names = {"mobilenetv2"},
          .help = "MobileNetV2 for small images",
          .usual_side = 32,
          .find = [](const std::string& name) -> std::optional<MakeGraph> {
            if (name != "mobilenetv2") return std::nullopt;
            return mobilenet_v2;
          }};
}

}  // namespace trifold::nn
