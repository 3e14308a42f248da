/// Multiply-accumulates, counted on the graph.
#pragma once

#include "pruning/cost.h"
#include "pruning/cost_model.h"

namespace trifold::pruning {

class Macs : public CostModel {
 public:
  static constexpr const char* name = "macs";
  static constexpr const char* help = "counted multiply-accumulates";

  Macs(const nn::Graph& original, std::int64_t side)
      : full_(static_cast<double>(count_cost(original, side).macs)) {}

  double ratio(const map::Point&, const nn::Graph& graph, std::int64_t side) const override {
    return static_cast<double>(count_cost(graph, side).macs) / full_;
  }

 private:
  double full_;
};

}  // namespace trifold::pruning
