/// A graph as JSON, the form in which model files carry it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "nn/graph.h"

namespace trifold::nn {

/// {"nodes": [{"name", "op", "inputs", <attributes>}...], "blocks": [...]}.
nlohmann::json to_json(const Graph& graph);

/// The inverse of to_json; the result has passed validate().
/// Errors    FileError, starting with `where` and naming the node: a missing, unknown or ill-typed
///           entry, or a graph that is not valid.
Graph graph_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace trifold::nn
