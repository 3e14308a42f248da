/// From data points to the point to prune to: the accuracy predictor and the solver.
#include <algorithm>
#include <set>

#include "apps/prune/run.h"
#include "kernels/runtime/error.h"
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

// The highest degree up to `wanted`, 0 at least, that leaves `spare` samples more than a predictor
// has free parameters.
std::int64_t affordable_degree(const std::vector<map::Sample>& samples, std::int64_t wanted,
                               std::int64_t rank, std::int64_t spare) {
  std::array<std::set<double>, 3> values;
  for (const map::Sample& s : samples) {
    const std::array<double, 3> x = map::coordinates(s.at);
    for (std::size_t i = 0; i < 3; ++i) values[i].insert(x[i]);
  }
  for (std::int64_t degree = wanted; degree > 0; --degree) {
    std::int64_t free = -2 * rank;
    for (const std::set<double>& v : values) free += rank * std::min(degree + 1, std::ssize(v));
    if (free + spare <= std::ssize(samples)) return degree;
  }
  return 0;
}

// How the samples are fitted: by a degree that leaving one of them out still determines, but by a
// line at least, for a constant would know nothing of what pruning costs.
map::LowRankOptions fit_options(const PruneOptions& options,
                                const std::vector<map::Sample>& samples) {
  const std::int64_t degree = affordable_degree(samples, options.degree, options.rank, 1);
  return {.degree = std::max<std::int64_t>(degree, 1), .rank = options.rank};
}

// For every (depth, resolution), the widest candidate within the target and its prediction:
// {"blocks": {"options", "full"}, "sides": likewise, "width": rows of null or w, "predicted":
// likewise}.
json surface(pruning::Space& space, const map::Predictor& predictor) {
  json widths = json::array(), predictions = json::array();
  const map::DiscreteSpace& grid = space.grid();
  for (std::size_t d = 0; d < grid.depth.size(); ++d) {
    json width_row = json::array(), prediction_row = json::array();
    for (std::size_t r = 0; r < grid.resolution.size(); ++r) {
      std::int64_t low = -1, high = std::ssize(grid.width);  // fits, does not fit
      while (high - low > 1) {
        const std::int64_t middle = (low + high) / 2;
        const bool fits = space.ratio(static_cast<std::int64_t>(d), middle,
                                      static_cast<std::int64_t>(r)) <= space.options().target;
        (fits ? low : high) = middle;
      }
      if (low < 0) {
        width_row.push_back(nullptr);
        prediction_row.push_back(nullptr);
        continue;
      }
      const double w = grid.width[static_cast<std::size_t>(low)];
      width_row.push_back(w);
      prediction_row.push_back(predictor.value({grid.depth[d], w, grid.resolution[r]}));
    }
    widths.push_back(std::move(width_row));
    predictions.push_back(std::move(prediction_row));
  }
  return {{"blocks", {{"options", space.blocks()}, {"full", space.blocks().back()}}},
          {"sides", {{"options", space.sides()}, {"full", space.sides().back()}}},
          {"width", widths},
          {"predicted", predictions}};
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

void check_determined(const PruneOptions& options, const std::vector<map::Point>& points) {
  std::vector<map::Sample> samples;
  for (const map::Point& p : points) samples.push_back({p, 1.0});
  try {
    map::check_determined(samples, fit_options(options, samples));
  } catch (const map::FitError& e) {
    throw ConfigError(
        fmt::format("--rank is {}, but {} data points in --rounds {} along each dimension don't "
                    "determine such a predictor: {}",
                    options.rank, points.size(), options.rounds, e.what()));
  }
}

void fit(PruneRun& run) {
  run.journal.at("collect/original-0");
  run.journal.run("fit", [&] {
    const std::vector<map::Sample> samples = samples_of(run);
    const map::LowRankOptions options = fit_options(run.options, samples);
    try {
      const map::LowRankFit result = map::fit_low_rank(samples, options);
      const map::Validation validation =
          map::leave_one_out(samples, [&](const std::vector<map::Sample>& rest) {
            map::LowRankOptions determined = options;
            determined.degree = affordable_degree(rest, options.degree, options.rank, 0);
            return std::make_unique<map::LowRank>(map::fit_low_rank(rest, determined).model);
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
    pruning::Space space = space_of(run, block_importance(run));
    const map::Point least = space.lower();
    const map::CostModel cost = space.cost().continuous(space.samples());
    // Where the smooth cost is a little above the counted one at the least point, that point is the
    // answer.
    const double budget = std::max(run.options.target, cost.ratio(least));
    const map::ContinuousSolution kkt = map::solve_continuous(*predictor, cost, budget, least);
    const std::vector<map::DiscreteCandidate> best = map::solve_discrete(
        *predictor, space.grid(),
        [&](std::int64_t d, std::int64_t w, std::int64_t r) { return space.ratio(d, w, r); },
        run.options.target, 10);
    json top = json::array();
    for (const map::DiscreteCandidate& c : best) {
      top.push_back({{"at", to_json(c.at)},
                     {"blocks", space.blocks()[static_cast<std::size_t>(c.depth)]},
                     {"width", space.widths()[static_cast<std::size_t>(c.width)].asked},
                     {"side", space.sides()[static_cast<std::size_t>(c.resolution)]},
                     {"cost", c.cost},
                     {"predicted", c.accuracy}});
    }
    run.callbacks.say(fmt::format(
        "chosen: d {:.3f} ({} blocks), w {:.3f}, r {:.3f} ({} pixels), predicted {:.2f} %; "
        "continuous optimum d {:.3f}, w {:.3f}, r {:.3f}, predicted {:.2f} %",
        best[0].at.d, top[0].at("blocks").get<std::int64_t>(), best[0].at.w, best[0].at.r,
        top[0].at("side").get<std::int64_t>(), best[0].accuracy, kkt.at.d, kkt.at.w, kkt.at.r,
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
            {"surface", surface(space, *predictor)}};
  });
}

}  // namespace trifold::apps
