#include "kernels/cpu/taps.h"

#include <algorithm>
#include <cmath>

namespace trifold::kernels::cpu {
namespace {

struct Weight {
  std::int64_t index;
  double value;
};

std::vector<Weight> plain_weights(double position, std::int64_t src) {
  const double s = std::clamp(position, 0.0, static_cast<double>(src - 1));
  const auto first = static_cast<std::int64_t>(s);
  const double t = s - static_cast<double>(first);
  return {{first, 1 - t}, {first + 1, t}};
}

std::vector<Weight> triangle_weights(double position, double half_width, std::int64_t src) {
  const auto low = static_cast<std::int64_t>(std::floor(position - half_width)) + 1;
  const auto high = static_cast<std::int64_t>(std::ceil(position + half_width)) - 1;
  std::vector<Weight> weights;
  double sum = 0;
  for (std::int64_t j = std::max<std::int64_t>(low, 0); j <= std::min(high, src - 1); ++j) {
    const double weight = 1 - std::abs(static_cast<double>(j) - position) / half_width;
    weights.push_back({j, weight});
    sum += weight;
  }
  for (Weight& w : weights) w.value /= sum;
  return weights;
}

}  // namespace

Taps resize_taps(ResizeFilter filter, std::int64_t src, std::int64_t dst) {
  const double step = static_cast<double>(src) / static_cast<double>(dst);
  Taps taps{{0}, {}, {}};
  for (std::int64_t i = 0; i < dst; ++i) {
    const double position = (static_cast<double>(i) + 0.5) * step - 0.5;
    const auto weights = filter == ResizeFilter::plain
                             ? plain_weights(position, src)
                             : triangle_weights(position, std::max(step, 1.0), src);
    for (const Weight& w : weights) {
      if (w.value <= 0) continue;
      taps.index.push_back(w.index);
      taps.weight.push_back(static_cast<float>(w.value));
    }
    taps.offset.push_back(static_cast<std::int64_t>(taps.index.size()));
  }
  return taps;
}

Taps transposed(const Taps& taps, std::int64_t sources) {
  Taps result;
  result.offset.assign(static_cast<std::size_t>(sources) + 1, 0);
  result.index.resize(taps.index.size());
  result.weight.resize(taps.weight.size());
  for (const std::int64_t j : taps.index) ++result.offset[static_cast<std::size_t>(j) + 1];
  for (std::size_t j = 1; j < result.offset.size(); ++j) result.offset[j] += result.offset[j - 1];
  std::vector<std::int64_t> next(result.offset.begin(), result.offset.end() - 1);
  for (std::int64_t i = 0; i < taps.outputs(); ++i) {
    const auto end = static_cast<std::size_t>(taps.offset[static_cast<std::size_t>(i) + 1]);
    for (auto t = static_cast<std::size_t>(taps.offset[static_cast<std::size_t>(i)]); t < end;
         ++t) {
      const auto slot = static_cast<std::size_t>(next[static_cast<std::size_t>(taps.index[t])]++);
      result.index[slot] = i;
      result.weight[slot] = taps.weight[t];
    }
  }
  return result;
}

}  // namespace trifold::kernels::cpu
