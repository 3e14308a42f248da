#include "nn/arch/densenet.h"

#include <cmath>

#include "kernels/runtime/error.h"

namespace trifold::nn {

Graph densenet(const DenseNetSize& size, std::int64_t channels, std::int64_t classes) {
  require<ConfigError>(
      size.layers_per_block >= 1 && size.growth >= 1 && size.stem >= 1 && size.compression > 0.0 &&
          size.compression <= 1.0,
      "a DenseNet needs at least one layer a block, a growth and a stem of at least 1 "
      "and a compression in (0, 1]");
  Graph g;
  const auto conv = [&](const std::string& name, NodeId x, std::int64_t filters,
                        std::int64_t window) {
    return g.add(name, Conv2d{.filters = filters, .window = window, .pad = window / 2}, {x});
  };
  const auto bn_relu = [&](const std::string& name, NodeId x) {
    return g.add(name, BatchNorm{.relu = true}, {x});
  };

  NodeId x = g.add("input", Input{channels}, {});
  x = conv("conv1", x, size.stem, 3);
  std::int64_t width = size.stem;
  for (std::int64_t stage = 0; stage < 3; ++stage) {
    for (std::int64_t i = 0; i < size.layers_per_block; ++i) {
      const std::string name = fmt::format("dense{}.{}", stage + 1, i);
      NodeId y = bn_relu(name + ".bn1", x);
      if (size.bottleneck) {
        y = conv(name + ".conv1", y, 4 * size.growth, 1);
        y = bn_relu(name + ".bn2", y);
        y = conv(name + ".conv2", y, size.growth, 3);
      } else {
        y = conv(name + ".conv1", y, size.growth, 3);
      }
      const NodeId concat = g.add(name + ".concat", Concat{}, {x, y});
      g.blocks.push_back({name, stage, x, concat, true});
      x = concat;
      width += size.growth;
    }
    if (stage == 2) break;
    const std::string name = fmt::format("trans{}", stage + 1);
    width = static_cast<std::int64_t>(std::floor(static_cast<double>(width) * size.compression));
    x = bn_relu(name + ".bn1", x);
    x = conv(name + ".conv1", x, width, 1);
    x = g.add(name + ".pool", Pool{PoolKind::average, 2, 2}, {x});
  }
  x = bn_relu("bn", x);
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("fc", Linear{classes}, {x});
  return g;
}

ArchitectureFamily densenets() {
  static constexpr DenseNetSize plain{.layers_per_block = 12, .growth = 12, .stem = 24};
  static constexpr DenseNetSize bottlenecked{
      .layers_per_block = 16, .growth = 12, .bottleneck = true, .compression = 0.5, .stem = 24};
  return {.names = {"densenet40", "densenet-bc100"},
          .help = "DenseNets for small images",
          .usual_side = 32,
          .find = [](const std::string& name) -> std::optional<MakeGraph> {
            if (name != "densenet40" && name != "densenet-bc100") return std::nullopt;
            return [size = name == "densenet40" ? plain : bottlenecked](std::int64_t channels,
                                                                        std::int64_t classes) {
              return densenet(size, channels, classes);
            };
          }};
}

}  // namespace trifold::nn
