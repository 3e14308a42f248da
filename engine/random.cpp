#include "engine/random.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/runtime/error.h"

namespace trifold::engine {

Random::Random(std::uint64_t seed, std::uint32_t stream, std::uint32_t a, std::uint32_t b)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      counter_{0, b, a, stream} {}

std::uint32_t Random::next32() {
  if (used_ == block_.size()) {
    block_ = Philox{}(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[used_++];
}

std::uint64_t Random::next64() {
  const std::uint64_t low = next32();
  return low | std::uint64_t{next32()} << 32;
}

std::int64_t Random::uniform_int(std::int64_t bound) {
  require<ShapeError>(bound >= 1, "a random integer needs a bound of at least 1, not {}", bound);
  const auto period = static_cast<std::uint64_t>(bound);
  const std::uint64_t surplus = (0 - period) % period;  // 2^64 mod period
  std::uint64_t draw = next64();
  while (draw < surplus) draw = next64();
  return static_cast<std::int64_t>(draw % period);
}

double Random::uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }

double Random::normal() {
  if (spare_normal_) return *std::exchange(spare_normal_, std::nullopt);
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

std::vector<std::int64_t> permutation(std::int64_t count, Random random) {
  require<ShapeError>(count >= 0, "a permutation needs a count of at least 0, not {}", count);
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(order);
  return order;
}

}  // namespace trifold::engine
