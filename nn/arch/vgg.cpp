#include "nn/arch/vgg.h"

#include <fmt/format.h>

namespace trifold::nn {
namespace {

struct Stage {
  std::int64_t width, layers;
};
constexpr Stage stages[] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};

}  // namespace

Graph vgg16(std::int64_t channels, std::int64_t classes) {
  Graph g;
  NodeId x = g.add("input", Input{channels}, {});
  std::int64_t index = 0;  // as the source counts, ReLUs and pools included
  const auto name = [](std::int64_t i) { return fmt::format("feature.{}", i); };
  for (const Stage& stage : stages) {
    if (x > 0) x = g.add(name(index++), Pool{PoolKind::max, 2, 2}, {x});
    for (std::int64_t layer = 0; layer < stage.layers; ++layer, index += 3) {
      x = g.add(name(index), Conv2d{.filters = stage.width, .window = 3, .pad = 1}, {x});
      x = g.add(name(index + 1), BatchNorm{.relu = true}, {x});
    }
  }
  x = g.add("pool", GlobalAvgPool{}, {x});
  g.add("classifier", Linear{classes}, {x});
  return g;
}

ArchitectureFamily vggs() {
  return {.names = {"vgg16"},
          .help = "VGG-16 with batch norm for small images",
          .usual_side = 32,
          .find = [](const std::string& name) -> std::optional<MakeGraph> {
            if (name != "vgg16") return std::nullopt;
            return vgg16;
          }};
}

}  // namespace trifold::nn
