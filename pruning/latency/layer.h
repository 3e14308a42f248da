/// What inference computes, an operation at a time.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace trifold::pruning {

/// One operation of a folded network (nn/execute/folded_network.h): all that decides its time on a
/// device, but for the batch.
struct Layer {
  std::string op;             ///< as nn::op_name() calls it
  std::int64_t h = 1, w = 1;  ///< of what it reads
  std::int64_t in = 1;        ///< channels that it reads
  std::int64_t out = 1;       ///< channels that it writes
  std::int64_t window = 1, stride = 1, pad = 0;
  std::int64_t groups = 1;  ///< of a convolution in groups
  bool norm = false;        ///< a batch norm is worked as it reads
  bool residual = false;    ///< another value is added

  auto operator<=>(const Layer&) const = default;
};

/// The layer in words, which tell it from every other.
std::string to_string(const Layer& layer);

/// What a folded network of this graph runs for an image of side x side, in order.
/// Errors    ShapeError: a side that the graph doesn't take.
std::vector<Layer> layers_of(const nn::Graph& graph, std::int64_t side);

}  // namespace trifold::pruning
