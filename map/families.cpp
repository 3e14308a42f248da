#include "map/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "map/full_tensor.h"
#include "map/gaussian_process.h"
#include "map/log_quadratic.h"
#include "map/low_rank.h"
#include "map/monotone.h"
#include "map/power_law.h"
#include "map/samples.h"

namespace trifold::map {
namespace {

using Samples = std::vector<Sample>;

template <typename Model>
std::unique_ptr<Predictor> owned(Model model) {
  return std::make_unique<Model>(std::move(model));
}

/// 1 + the number of axes along which the samples differ: a linear function's parameters.
std::int64_t linear_parameters(const Samples& samples) {
  std::int64_t count = 1;
  for (const std::int64_t k : effective_degrees(samples, 1)) count += k;
  return count;
}

PredictorFamily low_rank(std::int64_t rank, std::int64_t degree) {
  const LowRankOptions options{
      .degree = degree, .rank = rank, .max_sweeps = rank == 1 ? 2000 : 150, .starts = 2};
  return {
      fmt::format("rank{}-degree{}", rank, degree),
      fmt::format("sum of {} product{} of three polynomials of degree {}{}", rank,
                  rank == 1 ? "" : "s", degree, rank == 1 && degree == 3 ? " (the paper's)" : ""),
      false, [=](const Samples& s) { return owned(fit_low_rank(s, options).model); },
      [=](const Samples& s) { return low_rank_parameters(effective_degrees(s, degree), rank); }};
}

std::vector<PredictorFamily> make_families() {
  std::vector<PredictorFamily> families{
      {"monotone-log-quadratic", "log-quadratic with elasticities that grow as the net shrinks",
       true, [](const Samples& s) { return owned(fit_log_quadratic(s, {.monotone = true}).model); },
       [](const Samples& s) { return std::ranges::count(log_quadratic_terms(s), true); }},
      {"monotone-rank1", "product of three cubics that don't fall", true,
       [](const Samples& s) { return owned(fit_monotone(s).model); },
       [](const Samples& s) { return low_rank_parameters(effective_degrees(s, 3), 1); }},
      {"log-quadratic", "log of the accuracy quadratic in log d, log w and log r", false,
       [](const Samples& s) { return owned(fit_log_quadratic(s).model); },
       [](const Samples& s) { return std::ranges::count(log_quadratic_terms(s), true); }},
      {"gaussian-process", "linear trend and Gaussian process over log d, log w and log r", false,
       [](const Samples& s) { return owned(fit_gaussian_process(s).model); },
       // The trend, a length an axis, the variance and the noise.
       [](const Samples& s) { return 2 * linear_parameters(s) + 1; }},
      {"power-law", "error falls as a power law of d, w and r down to an offset", true,
       [](const Samples& s) { return owned(fit_power_law(s).model); },
       [](const Samples& s) { return linear_parameters(s) + 1; }},
  };
  for (std::int64_t rank = 1; rank <= 3; ++rank) {
    for (std::int64_t degree = 1; degree <= 3; ++degree) families.push_back(low_rank(rank, degree));
  }
  families.push_back({"full-tensor", "tensor-product polynomial of degree 3", false,
                      [](const Samples& s) { return owned(fit_full_tensor(s).model); },
                      [](const Samples& s) {
                        const auto k = effective_degrees(s, 3);
                        return (k[0] + 1) * (k[1] + 1) * (k[2] + 1);
                      }});
  return families;
}

}  // namespace

const std::vector<PredictorFamily>& predictor_families() {
  static const std::vector<PredictorFamily> families = make_families();
  return families;
}

const PredictorFamily& predictor_family(std::string_view name) {
  std::string known;
  for (const PredictorFamily& family : predictor_families()) {
    if (family.name == name) return family;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", family.name);
  }
  throw std::invalid_argument(
      fmt::format("There is no predictor '{}'; use one of {}.", name, known));
}

}  // namespace trifold::map
