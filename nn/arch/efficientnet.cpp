#include "nn/arch/efficientnet.h"

#include <fmt/format.h>

#include <algorithm>

namespace trifold::nn {
namespace {

using Kind = kernels::SigmoidKind;

struct Stage {
  std::int64_t expansion, window, stride, width, blocks;
};
constexpr Stage stages[] = {{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},
                            {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
                            {6, 3, 1, 320, 1}};

struct Stream {
  NodeId node;
  std::int64_t channels;
};

// A convolution "NAME.0" with its batch norm "NAME.1" and, as "NAME.2", SiLU.
NodeId activated(Graph& g, const std::string& name, const Op& convolution, NodeId x) {
  x = g.add(name + ".0", convolution, {x});
  x = g.add(name + ".1", BatchNorm{}, {x});
  return g.add(name + ".2", Sigmoid{Kind::silu}, {x});
}

NodeId squeeze_and_excite(Graph& g, const std::string& name, Stream x, std::int64_t squeezed) {
  NodeId factors = g.add(name + ".avgpool", GlobalAvgPool{}, {x.node});
  factors = g.add(name + ".fc1", Linear{squeezed}, {factors});
  factors = g.add(name + ".activation", Sigmoid{Kind::silu}, {factors});
  factors = g.add(name + ".fc2", Linear{x.channels}, {factors});
  factors = g.add(name + ".scale_activation", Sigmoid{Kind::sigmoid}, {factors});
  return g.add(name + ".scale", ChannelScale{}, {x.node, factors});
}

// A block of the network, its nodes named `name`.block.0 and so on.
Stream inverted_residual(Graph& g, const std::string& name, Stream x, const Stage& stage,
                         std::int64_t stride) {
  std::int64_t part = 0;
  const auto next = [&] { return fmt::format("{}.block.{}", name, part++); };
  const std::int64_t wide = stage.expansion * x.channels;
  NodeId y = x.node;
  if (stage.expansion != 1) y = activated(g, next(), Conv2d{.filters = wide}, y);
  y = activated(g, next(),
                DepthwiseConv2d{.window = stage.window, .stride = stride, .pad = stage.window / 2},
                y);
  y = squeeze_and_excite(g, next(), {y, wide}, std::max<std::int64_t>(1, x.channels / 4));
  const std::string last = next();
  y = g.add(last + ".0", Conv2d{.filters = stage.width}, {y});
  std::vector<NodeId> inputs = {y};
  if (stride == 1 && x.channels == stage.width) inputs.push_back(x.node);
  return {g.add(last + ".1", BatchNorm{}, inputs), stage.width};
}

}  // namespace

Graph efficientnet_b0(std::int64_t channels, std::int64_t classes) {
  Graph g;
  NodeId x = g.add("input", Input{channels}, {});
  x = activated(g, "features.0", Conv2d{.filters = 32, .window = 3, .stride = 2, .pad = 1}, x);
  Stream stream{x, 32};
  for (std::int64_t s = 0; s < std::ssize(stages); ++s) {
    const Stage& stage = stages[s];
    for (std::int64_t i = 0; i < stage.blocks; ++i) {
      const std::string name = fmt::format("features.{}.{}", s + 1, i);
      const Stream in = stream;
      const std::int64_t stride = i == 0 ? stage.stride : 1;
      stream = inverted_residual(g, name, in, stage, stride);
      const bool identity = stride == 1 && in.channels == stream.channels;
      g.blocks.push_back({name, s, in.node, stream.node, identity});
    }
  }
  x = activated(g, "features.8", Conv2d{.filters = 1280}, stream.node);
  x = g.add("avgpool", GlobalAvgPool{}, {x});
  x = g.add("classifier.0", Dropout{.rate = 0.2f}, {x});
  g.add("classifier.1", Linear{classes}, {x});
  return g;
}

ArchitectureFamily efficientnets() {
  return {.names = {"efficientnet-b0"},
          .help = "EfficientNet-B0 for large images",
          .usual_side = 224,
          .find = [](const std::string& name) -> std::optional<MakeGraph> {
            if (name != "efficientnet-b0") return std::nullopt;
            return efficientnet_b0;
          }};
}

}  // namespace trifold::nn
