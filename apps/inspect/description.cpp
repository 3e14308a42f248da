#include "apps/inspect/description.h"

#include <fmt/format.h>

#include "apps/cli/text.h"
#include "pruning/cost.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

// "40,813,184"
std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string list(const json& values) {
  std::string text;
  for (const json& value : values) {
    text += (text.empty() ? "" : ", ");
    text +=
        value.is_string() ? value.get<std::string>() : fmt::format("{:.4g}", value.get<float>());
  }
  return text;
}

}  // namespace

json describe(const nn::Model& model, std::int64_t file_bytes) {
  const nn::Graph& graph = model.network.graph();
  const nn::ModelInfo& info = model.info;
  const pruning::Cost cost = pruning::count_cost(graph, info.side);
  const std::vector<nn::Extent> extents = nn::infer_extents(graph, info.side);
  json layers = json::array(), blocks = json::array();
  for (nn::NodeId id = 0; id < graph.size(); ++id) {
    const nn::Node& node = graph.node(id);
    const nn::Extent& e = extents[static_cast<std::size_t>(id)];
    const pruning::NodeCost& c = cost.nodes[static_cast<std::size_t>(id)];
    json inputs = json::array();
    for (const nn::NodeId input : node.inputs) inputs.push_back(graph.node(input).name);
    layers.push_back({{"name", node.name},
                      {"op", nn::op_name(node.op)},
                      {"inputs", inputs},
                      {"output", {e.h, e.w, e.c}},
                      {"macs", c.macs},
                      {"params", c.params}});
    const auto add_window = [&](const auto& conv) {
      layers.back().update({{"window", conv.window}, {"stride", conv.stride}, {"pad", conv.pad}});
    };
    if (const auto* conv = std::get_if<nn::Conv2d>(&node.op)) add_window(*conv);
    if (const auto* conv = std::get_if<nn::DepthwiseConv2d>(&node.op)) add_window(*conv);
    if (const auto* conv = std::get_if<nn::GroupedConv2d>(&node.op)) {
      add_window(*conv);
      layers.back()["groups"] = conv->groups;
    }
  }
  for (const nn::Block& block : graph.blocks) {
    blocks.push_back(
        {{"name", block.name}, {"stage", block.stage}, {"skippable", block.skippable}});
  }
  return {{"arch", info.arch},
          {"side", info.side},
          {"data_side", info.data_side},
          {"resize", nn::to_string(info.resize)},
          {"channels", graph.input_channels()},
          {"classes", extents.back().c},
          {"class_names", info.class_names},
          {"mean", info.normalisation.mean},
          {"std", info.normalisation.std},
          {"macs", cost.macs},
          {"flops", cost.flops()},
          {"params", cost.params},
          {"activations", cost.activations},
          {"bytes", file_bytes},
          {"pruned", !info.original_channels.empty()},
          {"blocks", blocks},
          {"layers", layers},
          {"provenance", info.provenance}};
}

std::string description_text(const json& d) {
  std::string text = fmt::format("{:<24} {:<16} {:>14} {:>14} {:>12}\n", "layer", "op", "output",
                                 "macs", "params");
  for (const json& layer : d.at("layers")) {
    const json& e = layer.at("output");
    const auto extent = fmt::format("{}x{}x{}", e.at(0).get<std::int64_t>(),
                                    e.at(1).get<std::int64_t>(), e.at(2).get<std::int64_t>());
    text += fmt::format(
        "{:<24} {:<16} {:>14} {:>14} {:>12}\n", printable(layer.at("name").get<std::string>()),
        layer.at("op").get<std::string>(), extent, grouped(layer.at("macs").get<std::int64_t>()),
        grouped(layer.at("params").get<std::int64_t>()));
  }
  const auto line = [&text](const char* name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, printable(value));
  };
  const auto count = [&](const char* name) { line(name, grouped(d.at(name).get<std::int64_t>())); };
  text += "\n";
  line("network", d.at("arch").get<std::string>() + (d.at("pruned").get<bool>() ? ", pruned" : ""));
  line("input", fmt::format("{0}x{0} pixels, {1} channels (data: {2}x{2}, resized {3})",
                            d.at("side").get<std::int64_t>(), d.at("channels").get<std::int64_t>(),
                            d.at("data_side").get<std::int64_t>(),
                            d.at("resize") == "plain" ? "plain" : "anti-aliased"));
  line("blocks", std::to_string(d.at("blocks").size()));
  count("macs");
  count("flops");
  count("params");
  count("activations");
  line("file", grouped(d.at("bytes").get<std::int64_t>()) + " bytes");
  line("mean", list(d.at("mean")));
  line("std", list(d.at("std")));
  count("classes");
  if (!d.at("class_names").empty()) line("class names", list(d.at("class_names")));
  for (const json& entry : d.at("provenance")) line("provenance", entry.dump());
  text.pop_back();
  return text;
}

}  // namespace trifold::apps
