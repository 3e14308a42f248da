/// Memory that a thread is about to touch, fetched while it multiplies.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/winograd_transforms.h"

namespace trifold::kernels::cpu {

/// Brings what strips read or write to the cache, a few lines at a time between multiplications,
/// which keep the processor busy while the lines are on their way.
class Ahead {
 public:
  /// `steps` calls of step() will fetch what is added behind this.
  void start(std::int64_t steps) {
    spans_.clear();
    lines_ = 0;
    steps_ = steps;
  }

  /// The rows of patches that the strip above, if there is one, has not read.
  void add_patches(const StripInput& x) {
    add_rows(x, x.rows[0] != nullptr ? winograd_patch - winograd_tile : 0);
  }
  void add_gradients(const StripInput& dy) { add_rows(dy, 0); }

  void add_outputs(const StripOutput& y) {
    for (std::int64_t i = 0; i < y.count; ++i) {
      add(y.rows[i], y.columns, y.pixel);
      add(y.addends[i], y.columns, y.pixel);
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
  static constexpr std::int64_t line_floats = 16;
  struct Span {
    const float *next, *end;
  };

  void add_rows(const StripInput& x, std::int64_t first) {
    for (std::int64_t i = first; i < winograd_patch; ++i) add(x.rows[i], x.end - x.begin, x.pixel);
  }

  void add(const float* from, std::int64_t pixels, std::int64_t pixel) {
    // Wider pixels would drive other things from the cache.
    constexpr std::int64_t most_floats = 64;
    if (from == nullptr || pixels <= 0 || pixel > most_floats) return;
    spans_.push_back({from, from + pixels * pixel});
    lines_ += (pixels * pixel + line_floats - 1) / line_floats;
  }

  std::vector<Span> spans_;
  std::int64_t lines_ = 0, steps_ = 0;
};

}  // namespace trifold::kernels::cpu
