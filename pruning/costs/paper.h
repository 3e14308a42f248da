/// The paper's d w^2 r^2, whatever the graph says.
#pragma once

#include "pruning/cost.h"
#include "pruning/cost_model.h"

namespace trifold::pruning {

class Paper : public CostModel {
 public:
  static constexpr const char* name = "paper";
  static constexpr const char* help = "d w^2 r^2, as in the paper";

  Paper(const nn::Graph&, std::int64_t) {}

  double ratio(const map::Point& at, const nn::Graph&, std::int64_t) const override {
    return paper_cost(at.d, at.w, at.r);
  }
  map::CostModel continuous(const std::vector<CostSample>&) const override {
    return map::CostModel::paper();
  }
};

}  // namespace trifold::pruning
