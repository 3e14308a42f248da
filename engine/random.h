/// Counter-based random numbers: a number is a pure function of (seed, stream, position), so any
/// point of any sequence can be had at once, on any thread, and a resumed run draws what an
/// uninterrupted one would have drawn.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace trifold::engine {

/// Philox4x32-10: ten rounds that turn a counter of 128 bits and a key of 64 into 128 random bits.
/// Word 0 of counter and key is the least significant one.
/// Source    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Random123.
struct Philox {
  using Counter = std::array<std::uint32_t, 4>;
  using Key = std::array<std::uint32_t, 2>;

  constexpr Counter operator()(Counter counter, Key key) const {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
      counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
      key[0] += 0x9E3779B9;
      key[1] += 0xBB67AE85;
    }
    return counter;
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static constexpr std::uint32_t high(std::uint64_t x) {
    return static_cast<std::uint32_t>(x >> 32);
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
