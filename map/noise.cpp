#include "map/noise.h"

#include <cmath>
#include <map>

#include "map/samples.h"

namespace trifold::map {

std::optional<Noise> noise_of_repeats(const std::vector<Sample>& samples) {
  check_samples(samples);
  std::map<std::array<double, 3>, std::vector<const Sample*>> points;
  for (const Sample& s : samples) points[coordinates(s.at)].push_back(&s);
  double squares = 0;
  std::int64_t freedom = 0;
  for (const auto& [at, repeats] : points) {
    double weight = 0;
    double mean = 0;
    for (const Sample* s : repeats) {
      weight += s->weight;
      mean += s->weight * s->accuracy;
    }
    mean /= weight;
    for (const Sample* s : repeats) squares += s->weight * std::pow(s->accuracy - mean, 2);
    freedom += std::ssize(repeats) - 1;
  }
  if (freedom == 0) return std::nullopt;
  return Noise{std::sqrt(squares / static_cast<double>(freedom)), freedom};
}

}  // namespace trifold::map
