/// Sums over processes that train together: the ranks of a group, which all make the same calls in the
/// same order.
///
/// Test tests/kernels/collective_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/runtime/error_types.h"

namespace trifold::kernels {

/// Another rank has ended, so that the group can't go on.
class RankLostError : public Error {
 public:
  using Error::Error;
};

/// A rank's place in its group. Ranks count 1, 2, 4, ...; a rank is linked with those whose number
/// differs from its own in one bit.
class Collective {
 public:
  /// Takes over links[b], a connected stream socket to rank ^ 2^b, for each bit b of the ranks'
  /// numbers.
  /// Errors    ShapeError: a rank outside [0, 2^links.size()).
  Collective(int rank, std::vector<int> links);
  ~Collective();
  Collective(const Collective&) = delete;
  Collective& operator=(const Collective&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return 1 << links_.size(); }

  /// x = sum of the ranks' x, element by element, by the binary tree over the ranks in their order:
  /// (x0 + x1) + (x2 + x3).
  /// Shapes    the same on all ranks.
  /// Effects   overwrites x, with the same bits on all ranks; returns once all have called it. It
  ///           waits for a rank that lives, however long; the end of a process is noticed at once.
  /// Errors    RankLostError: the rank at the other end of a link has ended; x is then unusable.
  /// Numerics  rounded after each sum. A tree over equal parts of a larger one: ranks that each sum
  ///           their part by a binary tree give the sum of the tree over all.
  void sum(std::span<float> x) const;
  void sum(std::span<double> x) const;

  /// Whether all ranks have called it with the same number, which may be any.
  /// Errors    RankLostError.
  bool all_equal(std::uint32_t number) const;

 private:
  template <class T>
  void sum_of(std::span<T> x) const;
  void exchange(std::size_t link, const void* out, void* in, std::int64_t bytes) const;

  int rank_;
  std::vector<int> links_;
};

/// The links of `ranks` processes of one machine, which inherit them: result[rank] for Collective. A
/// process has to close those of the others, or it hides their end.
/// Errors    ShapeError: `ranks` is no power of two. Error: the system refuses.
std::vector<std::vector<int>> local_links(int ranks);

}  // namespace trifold::kernels
