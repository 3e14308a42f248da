#include "map/bootstrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "map/counter_random.h"
#include "map/error.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

/// Standard normal, by Box and Muller.
double normal(CounterRandom& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

std::vector<Sample> perturbed(std::vector<Sample> samples, const BootstrapOptions& options,
                              std::uint64_t draw) {
  CounterRandom random(options.seed * 0x100000001b3 + draw);
  for (Sample& s : samples) {
    const double drawn = s.accuracy + options.noise / std::sqrt(s.weight) * normal(random);
    // No measurement finds less than nothing, which monotone fits rely on.
    s.accuracy = std::max(drawn, std::min(s.accuracy, 0.0));
    const double factor = -std::log(1 - random.uniform());
    // A weight of 0 is no weight; below this a point has no say anyway.
    if (options.reweight) s.weight *= std::max(factor, 1e-6);
  }
  return samples;
}

}  // namespace

Interval percentile_interval(std::vector<double> values, double confidence) {
  if (values.empty() || !(confidence > 0 && confidence < 1)) {
    throw std::invalid_argument("An interval needs values and a confidence between 0 and 1.");
  }
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double position = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], position - static_cast<double>(below));
  };
  return {at((1 - confidence) / 2), at(0.5), at((1 + confidence) / 2)};
}

Bootstrap bootstrap(const std::vector<Sample>& samples, const FitFunction& fit,
                    const SolveFunction& solve, const BootstrapOptions& options) {
  check_samples(samples);
  if (options.draws < 1 || !(options.noise >= 0) || !std::isfinite(options.noise)) {
    throw std::invalid_argument("A bootstrap needs at least one draw and noise of at least 0.");
  }
  Bootstrap result;
  result.optimum = solve(*fit(samples));
  std::vector<double> predicted;
  std::array<std::vector<double>, 3> x;
  std::string problem;
  for (std::int64_t draw = 0; draw < options.draws; ++draw) {
    std::shared_ptr<const Predictor> model;
    try {
      model = fit(perturbed(samples, options, static_cast<std::uint64_t>(draw)));
    } catch (const FitError& e) {
      ++result.failed;
      problem = e.what();
      continue;
    }
    const Optimum optimum = solve(*model);
    predicted.push_back(model->value(result.optimum.at));
    for (std::size_t i = 0; i < 3; ++i) x[i].push_back(coordinates(optimum.at)[i]);
    result.models.push_back(std::move(model));
    result.optima.push_back(optimum);
  }
  if (2 * result.failed > options.draws) {
    throw FitError(fmt::format("{} of {} draws of the bootstrap can't be fitted; the last: {}",
                               result.failed, options.draws, problem));
  }
  result.d = percentile_interval(x[0], options.confidence);
  result.w = percentile_interval(x[1], options.confidence);
  result.r = percentile_interval(x[2], options.confidence);
  result.accuracy = percentile_interval(predicted, options.confidence);
  return result;
}

}  // namespace trifold::map
