/// From data points to the point to prune to: the accuracy predictor and the solver.
#include <algorithm>
#include <cmath>
#include <set>

#include "apps/prune/candidates.h"
#include "apps/prune/run.h"
#include "kernels/error.h"
#include "map/error.h"
#include "map/low_rank.h"
#include "map/solve_continuous.h"
#include "map/solve_discrete.h"
#include "map/validate.h"

namespace trifold::apps {
namespace {

using nlohmann::json;

json to_json(const map::Point& p) { return {{"d", p.d}, {"w", p.w}, {"r", p.r}}; }

json to_json(const std::array<double, 3>& v) { return {{"d", v[0]}, {"w", v[1]}, {"r", v[2]}}; }

map::CostModel cost_model(const PruneRun& run, Candidates& candidates) {
  if (run.options.cost == CostKind::paper) return map::CostModel::paper();
  const std::array<double, 3> e = candidates.fitted_exponents();
  // A cost that a dimension leaves alone, as resolution does the parameters, is no power law in it.
  if (std::ranges::all_of(e, [](double x) { return x > 1e-6; })) {
    return map::CostModel::power_law(e[0], e[1], e[2]);
  }
  return map::CostModel::general([e](const map::Point& p) {
    return std::pow(p.d, std::max(e[0], 0.0)) * std::pow(p.w, std::max(e[1], 0.0)) *
           std::pow(p.r, std::max(e[2], 0.0));
  });
}

// The highest degree up to `wanted` that leaves a sample more than the predictor has free
// parameters, so that leaving one out still determines it.
std::int64_t affordable_degree(const std::vector<map::Sample>& samples, std::int64_t wanted,
                               std::int64_t rank) {
  std::array<std::set<double>, 3> values;
  for (const map::Sample& s : samples) {
    const std::array<double, 3> x = map::coordinates(s.at);
    for (std::size_t i = 0; i < 3; ++i) values[i].insert(x[i]);
  }
  for (std::int64_t degree = wanted; degree > 1; --degree) {
    std::int64_t free = -2 * rank;
    for (const std::set<double>& v : values) free += rank * std::min(degree + 1, std::ssize(v));
    if (free < std::ssize(samples)) return degree;
  }
  return 1;
}

}  // namespace

std::vector<map::Sample> samples_of(const PruneRun& run) {
  std::vector<map::Sample> samples;
  for (const auto& [step, point] : run.journal.steps().items()) {
    if (!step.starts_with("collect/")) continue;
    samples.push_back(
        {{point.at("d").get<double>(), point.at("w").get<double>(), point.at("r").get<double>()},
         point.at("top1").get<double>()});
  }
  return samples;
}

map::PredictorData predictor_from_json(const json& j) {
  const auto point = [](const json& p) {
    return map::Point{p.at("d").get<double>(), p.at("w").get<double>(), p.at("r").get<double>()};
  };
  return {.kind = j.at("kind").get<std::string>(),
          .rank = j.at("rank").get<std::int64_t>(),
          .degree = j.at("degree").get<std::array<std::int64_t, 3>>(),
          .lower = point(j.at("lower")),
          .upper = point(j.at("upper")),
          .coefficients = j.at("coefficients").get<std::vector<double>>()};
}

void fit(PruneRun& run) {
  run.journal.at("collect/original-0");
  run.journal.run("fit", [&] {
    const std::vector<map::Sample> samples = samples_of(run);
    const map::LowRankOptions options{
        .degree = affordable_degree(samples, run.options.degree, run.options.rank),
        .rank = run.options.rank};
    try {
      const map::LowRankFit result = map::fit_low_rank(samples, options);
      const map::Validation validation =
          map::leave_one_out(samples, [&](const std::vector<map::Sample>& rest) {
            return std::make_unique<map::LowRank>(map::fit_low_rank(rest, options).model);
          });
      const map::PredictorData data = result.model.data();
      run.callbacks.say(
          fmt::format("accuracy predictor: rank {}, degrees {} {} {}, {} points, fit error {:.3f}, "
                      "leave-one-out "
                      "error {:.3f} points, rank correlation {:.3f}",
                      data.rank, data.degree[0], data.degree[1], data.degree[2], samples.size(),
                      result.report.rmse, validation.mae, validation.spearman));
      return json{{"kind", data.kind},
                  {"rank", data.rank},
                  {"degree", data.degree},
                  {"lower", to_json(data.lower)},
                  {"upper", to_json(data.upper)},
                  {"coefficients", data.coefficients},
                  {"samples", samples.size()},
                  {"rmse", result.report.rmse},
                  {"loo_mae", validation.mae},
                  {"loo_max", validation.max_error},
                  {"rank_correlation", validation.spearman}};
    } catch (const map::FitError& e) {
      throw ConfigError(fmt::format("the accuracy predictor can't be fitted: {}", e.what()));
    }
  });
}

void solve(PruneRun& run) {
  const json& fitted = run.journal.at("fit");
  run.journal.run("solve", [&]() -> json {
    const std::unique_ptr<map::Predictor> predictor =
        map::make_predictor(predictor_from_json(fitted));
    const map::Point least = least_point(predictor->lower());
    Candidates candidates(run, least);
    try {
      const map::CostModel cost = cost_model(run, candidates);
      const map::ContinuousSolution kkt =
          map::solve_continuous(*predictor, cost, run.options.target, least);
      const std::vector<map::DiscreteCandidate> best = map::solve_discrete(
          *predictor, candidates.space(),
          [&](std::int64_t d, std::int64_t w, std::int64_t r) { return candidates.ratio(d, w, r); },
          run.options.target, 10);
      json top = json::array();
      for (const map::DiscreteCandidate& c : best) {
        top.push_back({{"at", to_json(c.at)},
                       {"blocks", candidates.blocks(c.depth)},
                       {"width", candidates.asked_width(c.width)},
                       {"side", candidates.side(c.resolution)},
                       {"cost", c.cost},
                       {"predicted", c.accuracy}});
      }
      run.callbacks.say(fmt::format(
          "chosen: d {:.3f} ({} blocks), w {:.3f}, r {:.3f} ({} pixels), predicted {:.2f} %; "
          "continuous optimum d {:.3f}, w {:.3f}, r {:.3f}, predicted {:.2f} %",
          best[0].at.d, candidates.blocks(best[0].depth), best[0].at.w, best[0].at.r,
          candidates.side(best[0].resolution), best[0].accuracy, kkt.at.d, kkt.at.w, kkt.at.r,
          kkt.accuracy));
      return {{"continuous",
               {{"at", to_json(kkt.at)},
                {"predicted", kkt.accuracy},
                {"cost", kkt.cost},
                {"multiplier", kkt.multiplier},
                {"accuracy_elasticity", to_json(kkt.accuracy_elasticity)},
                {"cost_elasticity", to_json(kkt.cost_elasticity)},
                {"kkt_residual", kkt.kkt_residual}}},
              {"candidates", std::move(top)},
              {"importance", candidates.importance()},
              {"surface", candidates.surface(*predictor)}};
    } catch (const map::InfeasibleError& e) {
      throw TargetError(
          fmt::format("the target can't be met inside the collected range: {}", e.what()));
    }
  });
}

}  // namespace trifold::apps
