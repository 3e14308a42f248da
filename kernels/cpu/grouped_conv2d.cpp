/// Made of dense convolutions. Narrow groups are worked together, as one whose other weights are
/// zeros: at the speed of a dense one, which vectors of few channels don't reach, that costs less. A
/// thread takes a block of groups through a few images at a time, whose slices stay in its cache.
#include "kernels/grouped_conv2d.h"

#include <algorithm>

#include "kernels/cpu/ranges.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

using Shape = GroupedConv2dShape;

/// Groups that are worked as one dense convolution.
struct Block {
  std::int64_t number, first, groups;
};

/// How the work is cut, by the shape alone: into blocks of groups, and the images into parts.
class Schedule {
 public:
  explicit Schedule(const Shape& s) : shape_(s) {
    constexpr std::int64_t width = 16;  // channels that a dense convolution is fast with
    groups_a_block_ =
        std::clamp<std::int64_t>(width / std::min(s.group_c(), s.group_k()), 1, s.groups);
    blocks_ = (s.groups + groups_a_block_ - 1) / groups_a_block_;
    constexpr std::int64_t tasks = 32;  // as many threads may share the work
    parts_ = std::clamp<std::int64_t>(tasks / blocks_, 1, s.n);
    // 384 KiB of a thread's level 2 cache.
    constexpr std::int64_t cache_floats = 3 << 15;
    const Conv2dShape one = s.dense(1, groups_a_block_);
    images_at_a_time_ = std::clamp<std::int64_t>(cache_floats / (one.x_size() + one.y_size()), 1,
                                                 (s.n + parts_ - 1) / parts_);
  }

  std::int64_t blocks() const { return blocks_; }
  std::int64_t parts() const { return parts_; }
  Block block(std::int64_t number) const {
    const std::int64_t first = number * groups_a_block_;
    return {number, first, std::min(groups_a_block_, shape_.groups - first)};
  }
  /// Of the weights of the widest block, as a dense convolution has them.
  std::int64_t dense_floats() const { return shape_.dense(1, groups_a_block_).w_size(); }

  /// Calls f(block, part) for all of them; the threads share them.
  template <class F>
  void for_each(const Exec& ex, const F& f) const {
    for_ranges(ex, blocks_ * parts_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) f(block(task / parts_), task % parts_);
    });
  }
  /// Calls f(first, images) for the images of a part, a few at a time.
  template <class F>
  void for_images(std::int64_t part, const F& f) const {
    const std::int64_t end = shape_.n * (part + 1) / parts_;
    for (std::int64_t first = shape_.n * part / parts_; first < end; first += images_at_a_time_) {
      f(first, std::min(images_at_a_time_, end - first));
    }
  }

 private:
  const Shape& shape_;
  std::int64_t groups_a_block_, blocks_, parts_, images_at_a_time_;
};

/// Calls f(dense, grouped, count) for the weights of a block: where `count` of them that stand in a
/// row lie in the dense array and in the grouped one.
template <class F>
void for_weights(const Shape& s, const Block& block, const F& f) {
  const std::int64_t c = s.group_c(), k = s.group_k();
  for (std::int64_t tap = 0; tap < s.r * s.s; ++tap) {
    for (std::int64_t group = 0; group < block.groups; ++group) {
      for (std::int64_t j = 0; j < c; ++j) {
        f(((tap * block.groups + group) * c + j) * block.groups * k + group * k,
          (tap * c + j) * s.k + (block.first + group) * k, k);
      }
    }
  }
}

/// The weights of all blocks, dense, zeros between the groups.
float* join(const Exec& ex, const Shape& s, const Schedule& schedule, const float* w,
            Scratch& scratch) {
  const std::int64_t floats = schedule.dense_floats();
  float* const joined = scratch.floats(schedule.blocks() * floats);
  for_ranges(ex, schedule.blocks(), grain_of(floats), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t number = begin; number < end; ++number) {
      float* const dense = joined + number * floats;
      std::fill_n(dense, floats, 0.0f);
      for_weights(s, schedule.block(number),
                  [&](std::int64_t to, std::int64_t from, std::int64_t count) {
                    std::copy_n(w + from, count, dense + to);
                  });
    }
  });
  return joined;
}

/// Images whose pixels have channels of all groups, and those which one block reads or writes.
struct Slices {
  std::int64_t pixels, channels, group_channels;  ///< of an image; of all groups; of one

  static Slices of_input(const Shape& s) { return {s.h * s.w, s.c, s.group_c()}; }
  static Slices of_output(const Shape& s) { return {s.p() * s.q(), s.k, s.group_k()}; }

  /// A block's channels of `images` images from `first` on, side by side.
  float* take(const Block& block, std::int64_t first, std::int64_t images, const float* all,
              Scratch& scratch) const {
    const std::int64_t own = block.groups * group_channels;
    float* const slice = scratch.floats(images * pixels * own);
    cpu::copy_channels({}, {images * pixels, own, channels, block.first * group_channels, own, 0},
                       Write::overwrite, all + first * pixels * channels, slice);
    return slice;
  }
  void put(const Block& block, std::int64_t first, std::int64_t images, const float* slice,
           Write write, float* all) const {
    const std::int64_t own = block.groups * group_channels;
    cpu::copy_channels({}, {images * pixels, own, own, 0, channels, block.first * group_channels},
                       write, slice, all + first * pixels * channels);
  }
};

}  // namespace

void grouped_conv2d_forward(const Exec& ex, const Shape& s, const float* x, const float* w,
                            const float* b, float* y) {
  check(s);
  const Schedule schedule(s);
  thread_local Scratch of_weights;
  const float* const joined = join(ex, s, schedule, w, of_weights);
  if (schedule.blocks() == 1)
    return cpu::conv2d_forward(ex, s.dense(s.n, s.groups), x, joined, b, y);
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  schedule.for_each(ex, [&](const Block& block, std::int64_t part) {
    thread_local Scratch of_x, of_y;
    schedule.for_images(part, [&](std::int64_t first, std::int64_t images) {
      const Conv2dShape dense = s.dense(images, block.groups);
      float* const result = of_y.floats(dense.y_size());
      cpu::conv2d_forward({}, dense, in.take(block, first, images, x, of_x),
                          joined + block.number * schedule.dense_floats(),
                          b == nullptr ? nullptr : b + block.first * s.group_k(), result);
      out.put(block, first, images, result, Write::overwrite, y);
    });
  });
}

void grouped_conv2d_backward_data(const Exec& ex, const Shape& s, const float* dy, const float* w,
                                  Write write, float* dx) {
  check(s);
  const Schedule schedule(s);
  thread_local Scratch of_weights;
  const float* const joined = join(ex, s, schedule, w, of_weights);
  if (schedule.blocks() == 1) {
    return cpu::conv2d_backward_data(ex, s.dense(s.n, s.groups), dy, joined, write, dx);
  }
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  schedule.for_each(ex, [&](const Block& block, std::int64_t part) {
    thread_local Scratch of_dx, of_dy;
    schedule.for_images(part, [&](std::int64_t first, std::int64_t images) {
      const Conv2dShape dense = s.dense(images, block.groups);
      float* const gradient = of_dx.floats(dense.x_size());
      cpu::conv2d_backward_data({}, dense, out.take(block, first, images, dy, of_dy),
                                joined + block.number * schedule.dense_floats(), Write::overwrite,
                                gradient);
      in.put(block, first, images, gradient, write, dx);
    });
  });
}

void grouped_conv2d_backward_weight(const Exec& ex, const Shape& s, const float* x, const float* dy,
                                    float* dw, float* db) {
  check(s);
  const Schedule schedule(s);
  const Slices in = Slices::of_input(s), out = Slices::of_output(s);
  // Of each block and part the gradients of the dense weights, and behind them those of the bias.
  const std::int64_t w_floats = schedule.dense_floats(),
                     floats = w_floats + schedule.block(0).groups * s.group_k();
  thread_local Scratch of_sums;
  float* const all_sums = of_sums.floats(schedule.blocks() * schedule.parts() * floats);
  schedule.for_each(ex, [&](const Block& block, std::int64_t part) {
    thread_local Scratch of_x, of_dy, of_terms;
    float* const sums = all_sums + (block.number * schedule.parts() + part) * floats;
    float* const terms = of_terms.floats(floats);
    std::fill_n(sums, floats, 0.0f);
    std::fill_n(terms, floats, 0.0f);  // the last block may be narrower
    schedule.for_images(part, [&](std::int64_t first, std::int64_t images) {
      cpu::conv2d_backward_weight({}, s.dense(images, block.groups),
                                  in.take(block, first, images, x, of_x),
                                  out.take(block, first, images, dy, of_dy), terms,
                                  db == nullptr ? nullptr : terms + w_floats);
      for (std::int64_t i = 0; i < floats; ++i) sums[i] += terms[i];
    });
  });
  for (std::int64_t number = 0; number < schedule.blocks(); ++number) {
    const Block block = schedule.block(number);
    float* const sums = all_sums + number * schedule.parts() * floats;
    for (std::int64_t part = 1; part < schedule.parts(); ++part) {
      for (std::int64_t i = 0; i < floats; ++i) sums[i] += sums[part * floats + i];
    }
    for_weights(s, block, [&](std::int64_t from, std::int64_t to, std::int64_t count) {
      std::copy_n(sums + from, count, dw + to);
    });
    if (db == nullptr) continue;
    std::copy_n(sums + w_floats, block.groups * s.group_k(), db + block.first * s.group_k());
  }
}

}  // namespace trifold::kernels::cpu
