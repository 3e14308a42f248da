/// Whether the data determine the optimum at all.
#pragma once

#include "map/bootstrap.h"

namespace trifold::map {

struct Determinacy {
  bool determined = true;
  /// What the choice is worth: predicted accuracy of the optimum less that of the median point of
  /// the budget surface.
  double advantage = 0;
  /// Share of each coordinate's range on the budget surface that its bootstrap interval spans.
  std::array<double, 3> spanned{};
  std::string reason;  ///< sentences for people; empty where all is determined
};

/// Judges a bootstrap over the budget surface (see budget_surface()). Undetermined if the interval
/// of d, w or r spans more than half of that coordinate's range on the surface, or if `advantage`
/// is below the noise of one measurement, so that a point picked blindly would do as well. Throws
/// std::invalid_argument for an empty surface.
Determinacy judge_optimum(const Predictor& model, const Bootstrap& draws,
                          const std::vector<Point>& surface, double noise);

}  // namespace trifold::map
