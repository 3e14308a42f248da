#include "map/learning_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "map/error.h"
#include "map/nnls.h"

namespace trifold::map {
namespace {

constexpr double least_rate = 0.1, greatest_rate = 3;

struct Epoch {
  double number, error;
};

struct Fit {
  LearningCurve curve;
  double squares = std::numeric_limits<double>::infinity();
};

Fit fit_at(const std::vector<Epoch>& epochs, double rate) {
  const auto n = static_cast<Eigen::Index>(epochs.size());
  Eigen::MatrixXd a(n, 2);
  Eigen::VectorXd b(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const Epoch& epoch = epochs[static_cast<std::size_t>(i)];
    a.row(i) << 1, std::pow(epoch.number, -rate);
    b[i] = epoch.error;
  }
  const Eigen::VectorXd x = nnls(a, b);
  return {{.floor = x[0], .drop = x[1], .rate = rate}, (a * x - b).squaredNorm()};
}

// The best rate: of a grid first, since the squares may have several minima, then between its
// neighbours by golden sections.
Fit fit(const std::vector<Epoch>& epochs) {
  constexpr int steps = 58;
  constexpr double step = (greatest_rate - least_rate) / steps;
  Fit best;
  for (int i = 0; i <= steps; ++i) {
    const Fit here = fit_at(epochs, least_rate + step * i);
    if (here.squares < best.squares) best = here;
  }
  double low = std::max(best.curve.rate - step, least_rate),
         high = std::min(best.curve.rate + step, greatest_rate);
  const double golden = (std::sqrt(5.0) - 1) / 2;
  for (int i = 0; i < 40; ++i) {
    const Fit left = fit_at(epochs, high - golden * (high - low)),
              right = fit_at(epochs, low + golden * (high - low));
    if (left.squares <= right.squares) {
      high = right.curve.rate;
    } else {
      low = left.curve.rate;
    }
    for (const Fit& here : {left, right}) {
      if (here.squares < best.squares) best = here;
    }
  }
  return best;
}

std::vector<Epoch> numbered(std::span<const double> errors, std::size_t least) {
  if (errors.size() < least) {
    throw FitError(fmt::format("a learning curve of {} epochs can't be continued; it takes {}",
                               errors.size(), least));
  }
  std::vector<Epoch> epochs;
  for (double error : errors) {
    if (!(std::isfinite(error) && error >= 0)) {
      throw FitError(fmt::format("an epoch's error is {}", error));
    }
    epochs.push_back({static_cast<double>(epochs.size() + 1), error});
  }
  return epochs;
}

}  // namespace

double LearningCurve::at(double epochs) const { return floor + drop * std::pow(epochs, -rate); }

LearningCurve fit_learning_curve(std::span<const double> errors) {
  return fit(numbered(errors, 4)).curve;
}

Extrapolation extrapolate(std::span<const double> errors, double epochs) {
  const std::vector<Epoch> all = numbered(errors, 5);
  const auto n = static_cast<double>(all.size());
  if (!(epochs >= n)) {
    throw FitError(fmt::format("{} epochs are known; {} are not beyond them", n, epochs));
  }
  std::vector<double> without;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<Epoch> others = all;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    without.push_back(fit(others).curve.at(epochs));
  }
  const double mean = std::reduce(without.begin(), without.end()) / n;
  double squares = 0;
  for (double e : without) squares += (e - mean) * (e - mean);
  return {.error = fit(all).curve.at(epochs), .deviation = std::sqrt((n - 1) / n * squares)};
}

}  // namespace trifold::map
