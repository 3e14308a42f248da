#include "map/bias.h"

#include "map/samples.h"

namespace trifold::map {

std::vector<BiasedChoice> bias_study(const std::vector<Sample>& samples, const FitFunction& fit,
                                     const SolveFunction& solve, double bias) {
  check_samples(samples);
  const std::unique_ptr<Predictor> model = fit(samples);
  const double best = model->value(solve(*model).at);
  const auto top = coordinates(greatest(samples));
  std::vector<BiasedChoice> rows;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (const double shift : {-bias, bias}) {
      std::vector<Sample> shifted = samples;
      bool any = false;
      for (Sample& s : shifted) {
        const auto x = coordinates(s.at);
        bool along = true;
        for (std::size_t i = 0; i < 3; ++i) along = along && (x[i] < top[i]) == (i == axis);
        if (along) s.accuracy += shift;
        any = any || along;
      }
      if (!any) continue;
      const Optimum optimum = solve(*fit(shifted));
      rows.push_back({axis, shift, optimum, best - model->value(optimum.at)});
    }
  }
  return rows;
}

}  // namespace trifold::map
