#include "pruning/costs/latency.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/runtime/error.h"
#include "map/nnls.h"
#include "nn/network.h"
#include "pruning/depth.h"
#include "pruning/surgery.h"

namespace trifold::pruning {
namespace {

// The fewest blocks, whichever they are, or half of the channels of every group: as the original
// where it has nothing to cut.
CutPlan shallow(const nn::Graph& graph) {
  CutPlan plan;
  if (graph.blocks.empty()) return plan;
  plan.keep_block =
      select_blocks(graph, std::vector<double>(graph.blocks.size(), 0.0), min_depth(graph));
  return plan;
}

CutPlan narrow(const nn::Graph& graph) {
  const Units units = find_units(graph, WidthMode::stream);
  if (units.units.empty()) return {};
  return {.units = select_units(units, std::vector<double>(units.units.size(), 0.0), 0.5,
                                {.floor_fraction = 0.5})};
}

// Networks at the corners of what may be asked for, the original first, with their sides.
std::vector<std::pair<nn::Graph, std::int64_t>> corners(const nn::Graph& original,
                                                        std::int64_t side) {
  const auto accepts = [](const nn::Graph& graph, std::int64_t of) {
    try {
      nn::infer_extents(graph, of);
      return of > 0;
    } catch (const ShapeError&) {
      return false;
    }
  };
  const nn::Network network(original);
  const nn::Network few_blocks = std::move(cut(network, shallow(original)).network);
  const nn::Network few_channels = std::move(cut(network, narrow(original)).network);
  const nn::Network both = std::move(cut(few_blocks, narrow(few_blocks.graph())).network);
  const std::int64_t half = accepts(original, side / 2) ? side / 2 : side;
  return {{original, side},
          {original, half},
          {few_blocks.graph(), side},
          {few_channels.graph(), side},
          {both.graph(), half}};
}

double power_law(const std::array<double, 3>& e, const map::Point& p) {
  return std::pow(p.d, e[0]) * std::pow(p.w, e[1]) * std::pow(p.r, e[2]);
}

}  // namespace

Latency::Latency(const nn::Graph& original, std::int64_t side, Times* times) : times_(times) {
  require<ConfigError>(times != nullptr, "the cost 'latency' needs measured times");
  calibrate(original, side);
  full_ = seconds(original, side);
}

double Latency::sum_of_layers(const nn::Graph& graph, std::int64_t side) const {
  double sum = 0;
  for (const Layer& layer : layers_of(graph, side)) sum += times_->seconds(layer);
  return sum;
}

double Latency::seconds(const nn::Graph& graph, std::int64_t side) const {
  return calibration_.overhead_seconds + calibration_.factor * sum_of_layers(graph, side);
}

void Latency::calibrate(const nn::Graph& original, std::int64_t side) {
  const auto networks = corners(original, side);
  Eigen::MatrixXd a(std::ssize(networks), 2);
  for (Eigen::Index row = 0; row < a.rows(); ++row) {
    const auto& [graph, of] = networks[static_cast<std::size_t>(row)];
    const double measured = times_->seconds(graph, of);
    a.row(row) << 1.0 / measured, sum_of_layers(graph, of) / measured;
  }
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(a.rows());
  // In columns of equal size: overheads are microseconds, factors about 1.
  const Eigen::Vector2d scale(a.col(0).maxCoeff(), a.col(1).maxCoeff());
  const Eigen::MatrixXd scaled = a * scale.cwiseInverse().asDiagonal();
  const Eigen::VectorXd fitted = map::nnls(scaled, ones).cwiseQuotient(scale);
  calibration_ = {.overhead_seconds = fitted[0],
                  .factor = fitted[1],
                  .error = (a * fitted - ones).cwiseAbs().maxCoeff(),
                  .networks = a.rows()};
}

map::CostModel Latency::continuous(const std::vector<CostSample>& samples) const {
  const double least = std::ranges::min(samples, {}, &CostSample::ratio).ratio;
  double best_share = 0, best_error = std::numeric_limits<double>::infinity();
  std::array<double, 3> best_exponents{};
  for (double share = 0; share < std::min(least, 1.0); share += 0.02) {
    std::vector<CostSample> rest = samples;
    for (CostSample& s : rest) s.ratio = (s.ratio - share) / (1.0 - share);
    const std::array<double, 3> exponents = power_law_exponents(rest);
    double error = 0;
    for (const CostSample& s : samples) {
      const double fitted = share + (1.0 - share) * power_law(exponents, s.at);
      error += std::pow(fitted / s.ratio - 1.0, 2);
    }
    if (error < best_error) {
      best_error = error;
      best_share = share;
      best_exponents = exponents;
    }
  }
  return map::CostModel::general([best_share, best_exponents](const map::Point& p) {
    return best_share + (1.0 - best_share) * power_law(best_exponents, p);
  });
}

}  // namespace trifold::pruning
