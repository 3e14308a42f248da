#include "nn/io/graph_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "engine/json_text.h"
#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

using nlohmann::json;

// The value under `key`. get_to() alone would turn 1.5, true and 2^32 into some integer in silence, and
// 1e300 into an infinite float, which JSON can't say again.
template <class T>
void read(const json& value, const std::string& key, T& into) {
  if constexpr (std::is_same_v<T, bool>) {
    require<ShapeError>(value.is_boolean(), "'{}' is {}, not true or false", key, value.dump());
    value.get_to(into);
  } else if constexpr (std::is_integral_v<T>) {
    const bool fits = value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                                 : value.is_number_integer() &&
                                                       std::in_range<T>(value.get<std::int64_t>());
    require<ShapeError>(fits, "'{}' is {}, not an integer in range", key, value.dump());
    value.get_to(into);
  } else if constexpr (std::is_floating_point_v<T>) {
    const bool fits = value.is_number() && std::isfinite(static_cast<T>(value.get<double>()));
    require<ShapeError>(fits, "'{}' is {}, not a number in range", key, value.dump());
    value.get_to(into);
  } else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) {
    require<ShapeError>(value.is_array(), "'{}' is not a list", key);
    into.resize(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) read(value[i], key, into[i]);
  } else {
    value.get_to(into);
  }
}

template <class T>
T get(const json& object, const std::string& key) {
  T value{};
  read(object.at(key), key, value);
  return value;
}

Node node_from_json(const json& entry) {
  Node node{get<std::string>(entry, "name"), op_of_name(get<std::string>(entry, "op")),
            get<std::vector<NodeId>>(entry, "inputs")};
  const auto field = [&](const char* key, auto& value) { read(entry.at(key), key, value); };
  std::visit([&](auto& op) { op.attributes(op, field); }, node.op);
  return node;
}

}  // namespace

json to_json(const Graph& graph) {
  json nodes = json::array(), blocks = json::array();
  for (const Node& node : graph.nodes) {
    json entry = {{"name", node.name}, {"op", op_name(node.op)}, {"inputs", node.inputs}};
    const auto field = [&](const char* key, const auto& value) { entry[key] = value; };
    std::visit([&](const auto& op) { op.attributes(op, field); }, node.op);
    nodes.push_back(std::move(entry));
  }
  for (const Block& b : graph.blocks) {
    blocks.push_back({{"name", b.name},
                      {"stage", b.stage},
                      {"input", b.input},
                      {"output", b.output},
                      {"skippable", b.skippable}});
  }
  return {{"nodes", std::move(nodes)}, {"blocks", std::move(blocks)}};
}

Graph graph_from_json(const json& document, const std::string& where) {
  try {
    Graph graph;
    for (const json& entry : document.at("nodes")) graph.nodes.push_back(node_from_json(entry));
    for (const json& b : document.at("blocks")) {
      graph.blocks.push_back({get<std::string>(b, "name"), get<std::int64_t>(b, "stage"),
                              get<NodeId>(b, "input"), get<NodeId>(b, "output"),
                              get<bool>(b, "skippable")});
    }
    validate(graph);
    return graph;
  } catch (const json::exception& e) {
    throw FileError(
        fmt::format("{}: the network's structure is damaged: {}", where, engine::problem(e)));
  } catch (const ShapeError& e) {
    throw FileError(fmt::format("{}: the network's structure is damaged: {}", where, e.what()));
  }
}

}  // namespace trifold::nn
