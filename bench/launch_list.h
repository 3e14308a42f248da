/// Launches in their order, and those that add up what blocks have left in parts.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "bench/step_traffic.h"

namespace trifold::bench {

using Arrays = std::vector<Array>;

/// Partial results of a launch, how many they add up to, and the bytes of the sums that a launch
/// between leaves where one can't add them all.
struct Parts {
  std::int64_t count, results;
  double between = 0;
  /// What the last launch reads and writes beside them, of a norm's factors.
  double factors_read = 0, factors_written = 0;
};
/// Of the filters' gradient, or a bias', which column_sums adds.
Parts matrix_parts(std::int64_t rows, std::int64_t columns);
/// Of `sums` a channel over a convolution's tiles, each of `width` floats.
Parts tile_parts(std::int64_t tiles, std::int64_t width, std::int64_t sums, std::int64_t channels);
/// The same, where the last launch makes a norm's factors of them, or those of its gradient.
Parts with_factors(Parts parts, std::int64_t channels);
Parts with_coefficients(Parts parts, std::int64_t channels);

/// Parts that a launch has left in an array.
struct PartsLeft {
  Array array;
  Parts parts;
};

class LaunchList {
 public:
  /// Names of arrays below `first_name` are the caller's.
  explicit LaunchList(std::int64_t first_name) : next_name_(first_name) {}

  /// The name of another array.
  std::int64_t fresh() { return next_name_++; }

  void move(const char* kind, Arrays reads, Arrays writes);
  /// A launch that leaves parts.
  std::vector<PartsLeft> leave_parts(Launch launch, const std::vector<Parts>& parts);
  /// One launch adds all, but where there is one between.
  void add_parts(const std::vector<PartsLeft>& all);
  void move_in_parts(Launch launch, const std::vector<Parts>& parts);

  Launch& last() { return launches_.back(); }
  std::vector<Launch> take() { return std::move(launches_); }

 private:
  void add_last(Launch& launch, const Array& from, const Parts& p);

  std::int64_t next_name_;
  std::vector<Launch> launches_;
};

}  // namespace trifold::bench
