#include "map/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "map/error.h"

namespace trifold::map {
namespace {

constexpr std::int64_t kMaxDegree = 15;
constexpr std::int64_t kMaxRank = 64;

bool near_axis(const Point& base, const Point& p) {
  return (base.d != p.d) + (base.w != p.w) + (base.r != p.r) <= 1;
}

}  // namespace

void check_samples(const std::vector<Sample>& samples) {
  if (samples.empty()) throw FitError("A fit needs at least one sample, but none was given.");
  for (std::size_t i = 0; i < samples.size(); ++i) {
    bool good = std::isfinite(samples[i].accuracy) && std::isfinite(samples[i].weight) &&
                samples[i].weight > 0;
    for (double x : coordinates(samples[i].at)) good = good && x > 0 && x <= 1;
    if (!good) {
      throw FitError(fmt::format(
          "Sample {} is ({}, {}, {}) with accuracy {} and weight {}; give coordinates in (0, 1], a "
          "finite accuracy and a positive weight.",
          i, samples[i].at.d, samples[i].at.w, samples[i].at.r, samples[i].accuracy,
          samples[i].weight));
    }
  }
}

std::vector<double> relative_weights(const std::vector<Sample>& samples) {
  double sum = 0;
  for (const Sample& s : samples) sum += s.weight;
  std::vector<double> result;
  for (const Sample& s : samples) {
    result.push_back(s.weight * static_cast<double>(samples.size()) / sum);
  }
  return result;
}

void check_data(const PredictorData& data) {
  if (data.rank < 1 || data.rank > kMaxRank) {
    throw FitError(
        fmt::format("The stored predictor has rank {}; use 1 to {}.", data.rank, kMaxRank));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (data.degree[i] < 0 || data.degree[i] > kMaxDegree) {
      throw FitError(fmt::format("The stored predictor has degree {} in dimension {}; use 0 to {}.",
                                 data.degree[i], i, kMaxDegree));
    }
    const double low = coordinates(data.lower)[i];
    const double high = coordinates(data.upper)[i];
    if (!(std::isfinite(low) && std::isfinite(high) && low <= high)) {
      throw FitError(fmt::format(
          "The stored predictor has the range [{}, {}] in dimension {}; give finite ordered ends.",
          low, high, i));
    }
  }
  if (!std::all_of(data.coefficients.begin(), data.coefficients.end(),
                   [](double c) { return std::isfinite(c); })) {
    throw FitError("The stored predictor has a coefficient that is not finite; fit it again.");
  }
}

void check_count(const PredictorData& data, std::int64_t expected) {
  if (std::ssize(data.coefficients) != expected) {
    throw FitError(
        fmt::format("The stored predictor of the kind '{}' has {} coefficients where it needs {}.",
                    data.kind, data.coefficients.size(), expected));
  }
}

std::array<std::int64_t, 3> effective_degrees(const std::vector<Sample>& samples,
                                              std::int64_t degree) {
  if (degree < 0 || degree > kMaxDegree) {
    throw FitError(fmt::format("The degree {} is outside 0 to {}.", degree, kMaxDegree));
  }
  std::array<std::int64_t, 3> result{};
  for (std::size_t i = 0; i < 3; ++i) {
    std::set<double> distinct;
    for (const Sample& s : samples) distinct.insert(coordinates(s.at)[i]);
    result[i] = std::min(degree, static_cast<std::int64_t>(distinct.size()) - 1);
  }
  return result;
}

Point least(const std::vector<Sample>& samples) {
  Point p = samples.front().at;
  for (const Sample& s : samples) {
    p = {std::min(p.d, s.at.d), std::min(p.w, s.at.w), std::min(p.r, s.at.r)};
  }
  return p;
}

Point greatest(const std::vector<Sample>& samples) {
  Point p = samples.front().at;
  for (const Sample& s : samples) {
    p = {std::max(p.d, s.at.d), std::max(p.w, s.at.w), std::max(p.r, s.at.r)};
  }
  return p;
}

bool axis_only(const std::vector<Sample>& samples) {
  const auto is_base = [&](const Point& base) {
    return std::all_of(samples.begin(), samples.end(),
                       [&](const Sample& s) { return near_axis(base, s.at); });
  };
  return is_base(greatest(samples)) || std::any_of(samples.begin(), samples.end(),
                                                   [&](const Sample& s) { return is_base(s.at); });
}

}  // namespace trifold::map
