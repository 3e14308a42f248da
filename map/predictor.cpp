#include "map/predictor.h"

#include <fmt/format.h>

#include "map/error.h"
#include "map/full_tensor.h"
#include "map/low_rank.h"

namespace trifold::map {

std::unique_ptr<Predictor> make_predictor(const PredictorData& data) {
  if (data.kind == "low_rank") return std::make_unique<LowRank>(data);
  if (data.kind == "full_tensor") return std::make_unique<FullTensor>(data);
  throw FitError(fmt::format(
      "The stored predictor has the kind '{}'; use 'low_rank' or 'full_tensor'.", data.kind));
}

}  // namespace trifold::map
