/// The errors of the accuracy predictor and its solvers.
#pragma once

#include <stdexcept>

namespace trifold::map {

/// The samples, options or stored coefficients can't give a predictor.
class FitError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// No point of the search space meets the cost budget.
class InfeasibleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace trifold::map
