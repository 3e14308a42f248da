#include "map/placement.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace trifold::map {
namespace {

bool off_axes(const Point& p) { return (p.d < 1) + (p.w < 1) + (p.r < 1) >= 2; }

}  // namespace

std::vector<Proposal> propose_points(const std::vector<std::shared_ptr<const Predictor>>& ensemble,
                                     const std::vector<Point>& places, std::int64_t count,
                                     double noise) {
  if (ensemble.size() < 2 || count < 1 || !(noise >= 0)) {
    throw std::invalid_argument(
        "A proposal needs an ensemble of at least 2, a count of at least 1 and noise of at least "
        "0.");
  }
  std::vector<Point> points;
  std::copy_if(places.begin(), places.end(), std::back_inserter(points), off_axes);
  // A row a place, a column a member.
  Eigen::MatrixXd values(std::ssize(points), std::ssize(ensemble));
  for (Eigen::Index j = 0; j < values.cols(); ++j) {
    for (Eigen::Index i = 0; i < values.rows(); ++i) {
      values(i, j) = ensemble[std::size_t(j)]->value(points[std::size_t(i)]);
    }
  }
  const auto freedom = double(ensemble.size() - 1);
  const Eigen::VectorXd mean = values.rowwise().mean();
  Eigen::MatrixXd departure = values.colwise() - mean;
  std::vector<bool> taken(points.size(), false);
  std::vector<Proposal> proposals;
  while (std::ssize(proposals) < std::min<std::int64_t>(count, std::ssize(points))) {
    const Eigen::VectorXd sd = (departure.rowwise().squaredNorm() / freedom).cwiseSqrt();
    const double highest = mean.size() > 0 ? mean.maxCoeff() : 0.0;
    Eigen::Index next = -1;
    for (Eigen::Index i = 0; i < sd.size(); ++i) {
      if (!taken[std::size_t(i)] && mean[i] + 2 * sd[i] >= highest &&
          (next < 0 || sd[i] > sd[next])) {
        next = i;
      }
    }
    if (next < 0 || sd[next] <= 1e-9 * (1 + std::abs(mean[next]))) break;
    taken[std::size_t(next)] = true;
    proposals.push_back({points[std::size_t(next)], sd[next]});
    // What a measurement at `next` leaves: the departures less their regression on those there,
    // damped so that the variance at `next` becomes that of the posterior.
    const double variance = sd[next] * sd[next];
    const double total = variance + noise * noise;
    const double damping = 1 / (1 + noise / std::sqrt(total));
    const Eigen::VectorXd gain = departure * departure.row(next).transpose() / (freedom * total);
    departure -= (damping * gain * departure.row(next)).eval();
  }
  return proposals;
}

}  // namespace trifold::map
