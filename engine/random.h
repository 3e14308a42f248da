/// Counter-based random numbers: a number is a pure function of (seed, stream, position), so any
/// point of any sequence can be had at once, on any thread, and a resumed run draws what an
/// uninterrupted one would have drawn.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/philox.h"

namespace trifold::engine {

/// kernels/philox.h on arrays. Word 0 of counter and key is the least significant one.
struct Philox {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;

  constexpr Counter operator()(Counter counter, Key key) const {
    const kernels::PhiloxWords words = kernels::philox(
        {{counter[0], counter[1], counter[2], counter[3]}}, key[0] | std::uint64_t{key[1]} << 32);
    return {words.v[0], words.v[1], words.v[2], words.v[3]};
  }
};

/// What a sequence is for. Every purpose has its own number here, so that no two of them ever draw
/// the same bits from one seed.
namespace random_streams {
inline constexpr std::uint32_t initialise = 1;  ///< Initial weights.
inline constexpr std::uint32_t split = 2;       ///< Held-out split of a data set.
inline constexpr std::uint32_t shuffle = 3;     ///< Order of the images in an epoch.
inline constexpr std::uint32_t augment = 4;     ///< Crop and flip of one image in one epoch.
inline constexpr std::uint32_t probe = 5;       ///< Images and their order for probing classifiers.
inline constexpr std::uint32_t criterion = 6;   ///< What a pruning criterion draws.
inline constexpr std::uint32_t dropout = 7;     ///< What a dropout keeps in one training step.
inline constexpr std::uint32_t window = 8;      ///< Window of one image in one epoch.
inline constexpr std::uint32_t color = 9;       ///< Change of one image's colours in one epoch.
}  // namespace random_streams

/// One sequence of 2^34 32-bit words, named by (seed, stream, a, b). Sequences with different names
/// share no Philox block. Copying it copies its position.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint32_t stream = 0, std::uint32_t a = 0,
                  std::uint32_t b = 0);

  std::uint32_t next32();
  std::uint64_t next64();

  /// Uniform on {0, ..., bound - 1}, without the bias of a bare remainder (draws are rejected until
  /// they fall into a whole number of periods). Errors: ShapeError for bound < 1.
  std::int64_t uniform_int(std::int64_t bound);

  /// Uniform on [0, 1), a multiple of 2^-53.
  double uniform();

  /// Standard normal by Box and Muller's transform. Numerics: the last bits depend on the C
  /// library's log, sin and cos.
  double normal();

  /// Fisher and Yates' shuffle: all orders are equally likely.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t last = items.size(); last > 1; --last) {
      const auto chosen = static_cast<std::size_t>(uniform_int(static_cast<std::int64_t>(last)));
      std::swap(items[last - 1], items[chosen]);
    }
  }

 private:
  Philox::Key key_;
  Philox::Counter counter_;
  Philox::Counter block_{};
  std::size_t used_ = 4;  // words of block_ that were handed out
  std::optional<double> spare_normal_;
};

/// A random order of 0, ..., count - 1.
std::vector<std::int64_t> permutation(std::int64_t count, Random random);

}  // namespace trifold::engine
