#include "map/predictor.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "map/error.h"
#include "map/full_tensor.h"
#include "map/gaussian_process.h"
#include "map/log_quadratic.h"
#include "map/low_rank.h"
#include "map/power_law.h"

namespace trifold::map {
namespace {

template <typename Model>
std::unique_ptr<Predictor> load(const PredictorData& data) {
  return std::make_unique<Model>(data);
}

using Loader = std::unique_ptr<Predictor> (*)(const PredictorData&);

/// The stored kinds, a line each.
constexpr std::pair<std::string_view, Loader> kKinds[] = {
    {"low_rank", load<LowRank>},
    {"full_tensor", load<FullTensor>},
    {"log_quadratic", load<LogQuadratic>},
    {"power_law", load<PowerLaw>},
    {"gaussian_process", load<GaussianProcess>},
};

}  // namespace

std::unique_ptr<Predictor> make_predictor(const PredictorData& data) {
  std::string known;
  for (const auto& [kind, loader] : kKinds) {
    if (data.kind == kind) return loader(data);
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", kind);
  }
  throw FitError(
      fmt::format("The stored predictor has the kind '{}'; use one of {}.", data.kind, known));
}

}  // namespace trifold::map
