/// Memory that a thread is about to touch, fetched while it multiplies.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/conv2d/winograd_transforms.h"

namespace trifold::kernels::cpu {

/// Brings what strips read or write to the cache, a few lines at a time between multiplications,
/// which keep the processor busy while the lines are on their way.
class PrefetchQueue {
 public:
  /// `steps` calls of step() will fetch what is added behind this.
  void start(std::int64_t steps) {
    spans_.clear();
    lines_ = 0;
    steps_ = steps;
  }

  /// Channels [begin, end) of the rows of patches that the strip above, if there is one, doesn't
  /// read.
  void add_patches(const StripInput& x, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = x.rows[0] != nullptr ? winograd_patch - winograd_tile : 0;
    for (std::int64_t i = first; i < winograd_patch; ++i) {
      add(x.rows[i], x.end - x.begin, x.pixel, begin, end);
    }
  }

  /// The rows of from.g, and of from.y if dy is deferred.
  void add_gradients(const StripInput& g, const OutputGradient& from, std::int64_t filters) {
    for (const float* row : g.rows) {
      if (row == nullptr) continue;
      add(row, g.end - g.begin, g.pixel, 0, filters);
      if (from.y == nullptr) continue;
      add(from.y + (row - from.g), g.end - g.begin, g.pixel, 0, filters);
    }
  }

  /// Unless they are so wide that they would drive other things from the cache.
  void add_outputs(const StripOutput& y, std::int64_t filters) {
    if (filters > most_floats) return;
    for (std::int64_t i = 0; i < y.count; ++i) {
      add(y.rows[i], y.columns, y.pixel, 0, filters);
      add(y.addends[i], y.columns, y.pixel, 0, filters);
    }
  }

  /// It has to be inlined, for a compiler drops calls that seem to do nothing.
  [[gnu::always_inline]] void step() {
    std::int64_t lines = lines_ / steps_--;
    lines_ -= lines;
    for (; lines > 0 && !spans_.empty(); --lines) {
      Span& span = spans_.back();
      __builtin_prefetch(span.next, 0, 2);
      span.next += line_floats;
      if (span.next >= span.end) spans_.pop_back();
    }
  }

 private:
  /// A cache line; and pixels that are fetched as a whole, of up to four lines: of wider ones just
  /// the channels that are asked for.
  static constexpr std::int64_t line_floats = 16, most_floats = 64;
  struct Span {
    const float *next, *end;
  };

  /// Channels [begin, end) of some pixels.
  void add(const float* from, std::int64_t pixels, std::int64_t pixel, std::int64_t begin,
           std::int64_t end) {
    if (from == nullptr) return;
    if (pixel <= most_floats) {
      add(from, from + pixels * pixel);
    } else {
      for (std::int64_t i = 0; i < pixels; ++i, from += pixel) add(from + begin, from + end);
    }
  }

  void add(const float* begin, const float* end) {
    if (begin == end) return;
    spans_.push_back({begin, end});
    lines_ += (end - begin + line_floats - 1) / line_floats;
  }

  std::vector<Span> spans_;
  std::int64_t lines_ = 0, steps_ = 0;
};

}  // namespace trifold::kernels::cpu
