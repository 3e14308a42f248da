/// Trainable parameters, counted on the graph.
#pragma once

#include "pruning/cost.h"
#include "pruning/cost_model.h"

namespace trifold::pruning {

class Params : public CostModel {
 public:
  static constexpr const char* name = "params";
  static constexpr const char* help = "counted parameters";

  Params(const nn::Graph& original, std::int64_t side)
      : full_(static_cast<double>(count_cost(original, side).params)) {}

  double ratio(const map::Point&, const nn::Graph& graph, std::int64_t side) const override {
    return static_cast<double>(count_cost(graph, side).params) / full_;
  }

 private:
  double full_;
};

}  // namespace trifold::pruning
