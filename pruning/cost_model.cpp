#include "pruning/cost_model.h"

#include <Eigen/Dense>
#include <cmath>
#include <tuple>
#include <type_traits>

#include "pruning/costs/latency.h"
#include "pruning/costs/macs.h"
#include "pruning/costs/paper.h"
#include "pruning/costs/params.h"
#include "pruning/registry.h"

namespace trifold::pruning {
namespace {

// A new cost model is a file in costs/ and its name here.
using Models = std::tuple<Macs, Params, Paper, Latency>;

}  // namespace

std::array<double, 3> power_law_exponents(const std::vector<CostSample>& samples) {
  const auto count = std::ssize(samples);
  Eigen::MatrixXd logs(count, 3);
  Eigen::VectorXd costs(count);
  for (Eigen::Index row = 0; row < count; ++row) {
    const auto& [at, ratio] = samples[static_cast<std::size_t>(row)];
    logs.row(row) << std::log(at.d), std::log(at.w), std::log(at.r);
    costs(row) = std::log(ratio);
  }
  // A dimension with one option has a column of zeros, which this solver answers with 0.
  const Eigen::Vector3d e = logs.completeOrthogonalDecomposition().solve(costs);
  const auto positive = [](double exponent) { return exponent > 1e-6 ? exponent : 0.0; };
  return {positive(e[0]), positive(e[1]), positive(e[2])};
}

map::CostModel CostModel::continuous(const std::vector<CostSample>& samples) const {
  const std::array<double, 3> e = power_law_exponents(samples);
  if (e[0] > 0 && e[1] > 0 && e[2] > 0) return map::CostModel::power_law(e[0], e[1], e[2]);
  // A cost that a dimension leaves alone, as resolution does the parameters, is no power law in it.
  return map::CostModel::general([e](const map::Point& p) {
    return std::pow(p.d, e[0]) * std::pow(p.w, e[1]) * std::pow(p.r, e[2]);
  });
}

const std::vector<CostModelEntry>& cost_models() {
  static const auto all = entries_of<CostModelEntry, Models>([]<class Model>() {
    return [](const nn::Graph& original, std::int64_t side,
              [[maybe_unused]] Times* times) -> std::unique_ptr<CostModel> {
      if constexpr (std::is_constructible_v<Model, const nn::Graph&, std::int64_t, Times*>) {
        return std::make_unique<Model>(original, side, times);
      } else {
        return std::make_unique<Model>(original, side);
      }
    };
  });
  return all;
}

const CostModelEntry& cost_model(const std::string& name) {
  return find_entry(cost_models(), "cost model", name);
}

}  // namespace trifold::pruning
