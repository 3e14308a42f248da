#include "map/measured_budget.h"

#include <algorithm>
#include <stdexcept>

namespace trifold::map {

MeasuredBudget meet_measured(double target, double least,
                             const std::function<double(double budget)>& measure) {
  if (!(least > 0 && least <= target)) {
    throw std::invalid_argument("A budget has to lie between the cheapest answer and the target.");
  }
  constexpr std::int64_t most_tries = 8;
  constexpr double too_little = 0.97, too_much = 1.02;
  constexpr double hardly_different = 1.005;
  MeasuredBudget best;
  // The greatest budget whose answer met the target, and the least whose answer didn't.
  double within = 0, above = 0;
  double budget = target;
  for (std::int64_t tries = 1; tries <= most_tries; ++tries) {
    const double measured = measure(budget);
    const bool met = measured <= too_much * target;
    const bool better =
        best.tries == 0 || (met && !best.met) ||
        (met == best.met && (met ? measured > best.measured : measured < best.measured));
    if (better) best = {budget, measured, met, tries};
    best.tries = tries;
    if (met && measured >= too_little * target) break;
    (met ? within : above) = budget;
    double next = std::max(least, budget * target / measured);
    if (within > 0 && above > 0) {
      if (above < hardly_different * within) break;
      if (next <= within || next >= above) next = (within + above) / 2;
    }
    if (next == budget) break;
    budget = next;
  }
  return best;
}

}  // namespace trifold::map
