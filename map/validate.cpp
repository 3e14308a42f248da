#include "map/validate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "map/error.h"

namespace trifold::map {
namespace {

/// Ranks 1..n, ties averaged.
std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return x[i] < x[j]; });
  std::vector<double> result(x.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first;
    while (end < order.size() && x[order[end]] == x[order[first]]) ++end;
    const double mean = static_cast<double>(first + 1 + end) / 2;
    for (; first < end; ++first) result[order[first]] = mean;
  }
  return result;
}

}  // namespace

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.size() < 2) {
    throw std::invalid_argument("A rank correlation needs two equally long lists of at least 2.");
  }
  const auto ra = ranks(a);
  const auto rb = ranks(b);
  const double mean = static_cast<double>(a.size() + 1) / 2;
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (ra[i] - mean) * (rb[i] - mean);
    aa += (ra[i] - mean) * (ra[i] - mean);
    bb += (rb[i] - mean) * (rb[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0;
}

Validation leave_one_out(const std::vector<Sample>& samples, const FitFunction& fit) {
  if (samples.empty()) throw FitError("Leave-one-out needs samples at two points or more.");
  Validation v;
  std::vector<double> accuracies;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::vector<Sample> others = samples;
    std::erase_if(others, [&](const Sample& s) { return s.at == samples[i].at; });
    if (others.empty()) throw FitError("Leave-one-out needs samples at two points or more.");
    v.predictions.push_back(fit(others)->value(samples[i].at));
    accuracies.push_back(samples[i].accuracy);
    const double error = std::abs(v.predictions.back() - samples[i].accuracy);
    v.mae += error;
    v.rmse += error * error;
    v.max_error = std::max(v.max_error, error);
  }
  const auto n = static_cast<double>(samples.size());
  v.mae /= n;
  v.rmse = std::sqrt(v.rmse / n);
  v.spearman = spearman(v.predictions, accuracies);
  return v;
}

}  // namespace trifold::map
