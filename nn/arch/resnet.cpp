#include "nn/arch/resnet.h"

#include <charconv>
#include <numeric>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

// Adds convolution `conv` and its batch norm `bn` below a common prefix.
struct ConvBn {
  Graph& graph;
  std::string prefix;

  NodeId conv(const std::string& name, NodeId x, const Conv2d& op) const {
    return graph.add(prefix + name, op, {x});
  }
  NodeId bn(const std::string& name, std::vector<NodeId> inputs, bool relu) const {
    return graph.add(prefix + name, BatchNorm{.relu = relu}, std::move(inputs));
  }
};

struct Stream {
  NodeId node;
  std::int64_t channels;
};

// Option A: the input's channels stand in the middle of the output's, zeros around them.
ChannelGather zero_padding_shortcut(std::int64_t in, std::int64_t out, std::int64_t stride) {
  std::vector<std::int32_t> source(static_cast<std::size_t>(out), -1);
  const auto first = source.begin() + (out - in) / 2;
  std::iota(first, first + in, 0);
  return {std::move(source), stride};
}

NodeId shortcut_of(const ConvBn& at, Stream x, std::int64_t out, std::int64_t stride,
                   Shortcut shortcut, const std::string& name) {
  if (stride == 1 && x.channels == out) return x.node;
  if (shortcut == Shortcut::A) {
    return at.graph.add(at.prefix + name, zero_padding_shortcut(x.channels, out, stride), {x.node});
  }
  const NodeId conv = at.conv(name + ".0", x.node, {.filters = out, .stride = stride});
  return at.bn(name + ".1", {conv}, false);
}

Stream basic_block(const ConvBn& at, Stream x, std::int64_t width, std::int64_t stride,
                   Shortcut shortcut, const std::string& shortcut_name) {
  NodeId y = at.conv("conv1", x.node, {.filters = width, .window = 3, .stride = stride, .pad = 1});
  y = at.bn("bn1", {y}, true);
  y = at.conv("conv2", y, {.filters = width, .window = 3, .pad = 1});
  const NodeId residual = shortcut_of(at, x, width, stride, shortcut, shortcut_name);
  return {at.bn("bn2", {y, residual}, true), width};
}

// With groups, they have a share of 1/16 of the width each: 4 channels in the first stage.
Stream bottleneck_block(const ConvBn& at, Stream x, std::int64_t width, std::int64_t stride,
                        std::int64_t groups) {
  const std::int64_t out = 4 * width, inner = groups == 1 ? width : width / 16 * groups;
  NodeId y = at.conv("conv1", x.node, {.filters = inner});
  y = at.bn("bn1", {y}, true);
  if (groups == 1) {
    y = at.conv("conv2", y, {.filters = inner, .window = 3, .stride = stride, .pad = 1});
  } else {
    const GroupedConv2d op{
        .filters = inner, .groups = groups, .window = 3, .stride = stride, .pad = 1};
    y = at.graph.add(at.prefix + "conv2", op, {y});
  }
  y = at.bn("bn2", {y}, true);
  y = at.conv("conv3", y, {.filters = out});
  const NodeId residual = shortcut_of(at, x, out, stride, Shortcut::B, "downsample");
  return {at.bn("bn3", {y, residual}, true), out};
}

void add_block_entry(Graph& graph, const std::string& name, std::int64_t stage, NodeId from,
                     NodeId to) {
  // The residual of the last batch norm is the block's input just where the shortcut is the
  // identity.
  const bool identity = graph.node(to).inputs[1] == from;
  graph.blocks.push_back({name, stage, from, to, identity});
}

struct ParsedName {
  std::int64_t depth;
  std::string suffix;
};

// "resnet20b" -> 20, "b".
std::optional<ParsedName> parse_name(const std::string& name) {
  const std::string prefix = "resnet";
  if (!name.starts_with(prefix)) return std::nullopt;
  std::int64_t depth = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + prefix.size(), end, depth);
  if (error != std::errc{}) return std::nullopt;
  return ParsedName{depth, std::string(rest, end)};
}

}  // namespace

Graph cifar_resnet(std::int64_t depth, Shortcut shortcut, std::int64_t channels,
                   std::int64_t classes) {
  require<ConfigError>(depth >= 8 && depth <= 10000 && depth % 6 == 2,
                       "a ResNet for small images has 6n + 2 layers (8, 14, 20, ...), not {}",
                       depth);
  Graph g;
  const ConvBn root{g, ""};
  NodeId x = g.add("input", Input{channels}, {});
  x = root.conv("conv1", x, {.filters = 16, .window = 3, .pad = 1});
  Stream stream{root.bn("bn1", {x}, true), 16};
  for (std::int64_t stage = 0; stage < 3; ++stage) {
    for (std::int64_t i = 0; i < (depth - 2) / 6; ++i) {
      const std::string name = fmt::format("layer{}.{}", stage + 1, i);
      const Stream in = stream;
      stream = basic_block({g, name + "."}, in, 16 << stage, stage > 0 && i == 0 ? 2 : 1, shortcut,
                           "shortcut");
      add_block_entry(g, name, stage, in.node, stream.node);
    }
  }
  x = g.add("pool", GlobalAvgPool{}, {stream.node});
  g.add("linear", Linear{classes}, {x});
  return g;
}

Graph imagenet_resnet(std::int64_t depth, std::int64_t channels, std::int64_t classes,
                      std::int64_t groups) {
  require<ConfigError>(depth == 18 || depth == 34 || depth == 50,
                       "a ResNet for large images has 18, 34 or 50 layers, not {}", depth);
  const std::vector<std::int64_t> blocks =
      depth == 18 ? std::vector<std::int64_t>{2, 2, 2, 2} : std::vector<std::int64_t>{3, 4, 6, 3};
  Graph g;
  const ConvBn root{g, ""};
  NodeId x = g.add("input", Input{channels}, {});
  x = root.conv("conv1", x, {.filters = 64, .window = 7, .stride = 2, .pad = 3});
  x = root.bn("bn1", {x}, true);
  Stream stream{g.add("maxpool", Pool{PoolKind::max, 3, 2, 1}, {x}), 64};
  for (std::int64_t stage = 0; stage < 4; ++stage) {
    for (std::int64_t i = 0; i < blocks[static_cast<std::size_t>(stage)]; ++i) {
      const std::string name = fmt::format("layer{}.{}", stage + 1, i);
      const ConvBn at{g, name + "."};
      const std::int64_t width = 64 << stage, stride = stage > 0 && i == 0 ? 2 : 1;
      const Stream in = stream;
      stream = depth == 50 ? bottleneck_block(at, in, width, stride, groups)
                           : basic_block(at, in, width, stride, Shortcut::B, "downsample");
      add_block_entry(g, name, stage, in.node, stream.node);
    }
  }
  x = g.add("avgpool", GlobalAvgPool{}, {stream.node});
  g.add("fc", Linear{classes}, {x});
  return g;
}

ArchitectureFamily cifar_resnets() {
  return {
      .names = {"resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"},
      .help =
          "ResNets for small images of any depth 6n + 2; resnet20b and the like have "
          "shortcuts of option B",
      .usual_side = 32,
      .find = [](const std::string& name) -> std::optional<MakeGraph> {
        const std::optional<ParsedName> parsed = parse_name(name);
        if (!parsed || (parsed->suffix != "" && parsed->suffix != "b")) return std::nullopt;
        return [depth = parsed->depth, b = parsed->suffix == "b"](std::int64_t channels,
                                                                  std::int64_t classes) {
          return cifar_resnet(depth, b ? Shortcut::B : Shortcut::A, channels, classes);
        };
      }};
}

ArchitectureFamily imagenet_resnets() {
  return {.names = {"resnet18", "resnet34", "resnet50", "resnext50-32x4d"},
          .help = "ResNets for large images; resnext50-32x4d has bottlenecks of 32 groups",
          .usual_side = 224,
          .find = [](const std::string& name) -> std::optional<MakeGraph> {
            if (name == "resnext50-32x4d") {
              return [](std::int64_t channels, std::int64_t classes) {
                return imagenet_resnet(50, channels, classes, 32);
              };
            }
            const std::optional<ParsedName> parsed = parse_name(name);
            if (!parsed || parsed->suffix != "") return std::nullopt;
            return [depth = parsed->depth](std::int64_t channels, std::int64_t classes) {
              return imagenet_resnet(depth, channels, classes);
            };
          }};
}

}  // namespace trifold::nn
