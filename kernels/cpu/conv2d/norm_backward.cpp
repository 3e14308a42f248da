#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/cpu/batch_norm_statistics.h"
#include "kernels/cpu/batch_norm_types.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// Puts the ReLU mask of a convolution's norm over the gradient g of what the convolution reads,
/// and sums g up.
class GradientEpilogue : public PartEpilogue {
 public:
  GradientEpilogue(const ConvInput& input, const Conv2dShape& s, const float* g)
      : input_(input),
        channels_(s.c),
        pitch_(pitch_of(*input.norm, s)),
        g_(g),
        total_(size(2 * s.c), 0.0) {}

  void start(std::int64_t parts) override {
    add_parts();
    sums_.resize(size(parts * 2 * channels_));
  }

  void apply(std::int64_t part, float* g, const Pixels& pixels) override {
    const float* const x = input_.x + (g - g_) / channels_ * pitch_;
    const float* const a = input_.a != nullptr ? input_.a + (g - g_) : nullptr;
    const std::int64_t* x_offsets = pixels.offsets;
    std::vector<std::int64_t> wider;
    if (pitch_ != channels_) {
      wider.reserve(size(pixels.count));
      for (std::int64_t i = 0; i < pixels.count; ++i) {
        wider.push_back(pixels.offsets[i] / channels_ * pitch_);
      }
      x_offsets = wider.data();
    }
    pixel_passes().mask_and_sum(*input_.norm, channels_, pixels, x_offsets, x, a, g,
                                sums_.data() + part * 2 * channels_);
  }

  void add(GradientEpilogue& other) {
    other.add_parts();
    for (std::size_t i = 0; i < total_.size(); ++i) total_[i] += other.total_[i];
  }

  void total(float* sums) {
    add_parts();
    std::copy(total_.begin(), total_.end(), sums);
  }

 private:
  void add_parts() {
    for (std::size_t part = 0; part < sums_.size(); part += total_.size()) {
      for (std::size_t i = 0; i < total_.size(); ++i) total_[i] += sums_[part + i];
    }
    sums_.clear();
  }

  ConvInput input_;
  std::int64_t channels_, pitch_;
  const float* g_;
  Doubles total_, sums_;
};

/// How a batch is cut, by the shape alone. With many images and few weights each thread takes
/// groups of images from dy to g and sums their weight gradient up by itself, a few images at a
/// time, whose arrays lie in its level 2 cache all the while. Otherwise there is one group, and the
/// threads share each step.
struct Schedule {
  static constexpr std::int64_t most_groups = 16;
  std::int64_t groups, images_a_group, images_at_a_time;

  explicit Schedule(const Conv2dShape& s) {
    // All groups' sums fit 5 MiB of a level 3 cache, and there are at least eight groups for the
    // threads to take.
    constexpr std::int64_t sums_floats = 5 << 18, least_groups = 8;
    // 384 KiB of a thread's level 2 cache of 1 MiB, the weights and their sums being beside them;
    // or 6 MiB of the level 3 cache that all share.
    constexpr std::int64_t level2_floats = 3 << 15, shared_floats = 3 << 19;
    const std::int64_t sums = 4 * s.w_size();  // a transformed window has 36 weights for 9
    groups = most_groups;
    while (groups > s.n || groups * sums > sums_floats) groups /= 2;
    if (groups < least_groups) groups = 1;
    images_a_group = (s.n + groups - 1) / groups;
    // Enough images to outweigh the weights, which every step goes through, and as even as they go.
    const std::int64_t image = 3 * (s.x_size() + s.y_size()) / s.n;
    const std::int64_t cache_floats = groups > 1 ? level2_floats : shared_floats;
    const std::int64_t fitting =
        std::clamp<std::int64_t>(std::max(cache_floats, 4 * s.w_size()) / image, 1, images_a_group);
    const std::int64_t times = (images_a_group + fitting - 1) / fitting;
    images_at_a_time = (images_a_group + times - 1) / times;
  }

  /// Whether one thread works a group.
  bool one_thread() const { return groups > 1; }
};

/// The arrays of the images from `first` on.
struct FromImage {
  const Conv2dShape& s;
  std::int64_t first;

  template <class Float>
  Float* input(Float* x, std::int64_t pitch) const {
    return x != nullptr ? x + first * s.h * s.w * pitch : nullptr;
  }
  template <class Float>
  Float* input(Float* x) const {
    return input(x, s.c);
  }
  OutputGradient output(OutputGradient dy) const {
    dy.g += first * s.p() * s.q() * s.k;
    if (dy.y != nullptr) dy.y += first * s.p() * s.q() * s.k;
    return dy;
  }
};

/// The gradients of what one call is asked for, of some of its images.
struct Gradients {
  const Conv2dShape& s;
  const OutputGradient& dy;
  const ConvInput& input;
  const float* added;
  float* g;
  std::int64_t pitch = input.norm != nullptr ? pitch_of(*input.norm, s) : s.c;

  /// Of `images` images from `first` on.
  void run(const Exec& ex, std::int64_t first, std::int64_t images, bool one_thread,
           WeightGradient& weights, const DataGradient* data, GradientEpilogue* epilogue) const {
    thread_local Scratch of_dy;
    const FromImage at{s, first};
    const OutputGradient gradient = at.output(dy);
    float* const stored_dy = dy.y != nullptr ? of_dy.floats(images * s.p() * s.q() * s.k) : nullptr;
    const Operand operand = input.a != nullptr
                                ? Operand{at.input(input.a), s.c}
                                : Operand{at.input(input.x, pitch), pitch, input.norm};
    weights.add(ex, images, operand, gradient, stored_dy);
    if (data == nullptr) return;
    data->run(ex, images, one_thread, stored_dy != nullptr ? stored_dy : gradient.g,
              at.input(added), epilogue, at.input(g));
  }
};

/// dw = the sum of the `parts` arrays of `floats` each.
void add_up(const Exec& ex, std::int64_t floats, std::int64_t parts, const float* from, float* dw) {
  for_ranges(ex, floats, grain_of(parts), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float sum = from[i];
      for (std::int64_t part = 1; part < parts; ++part) sum += from[part * floats + i];
      dw[i] = sum;
    }
  });
}

}  // namespace

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw, const BatchNormCoefficients* coefficients) {
  check(s);
  const Schedule schedule(s);
  const Gradients gradients{s, dy, input, added, g};
  thread_local Scratch of_data, of_dw;
  std::optional<DataGradient> data;
  if (g != nullptr) data.emplace(ex, s, w, of_data);
  const bool normed = g != nullptr && input.norm != nullptr;

  thread_local std::vector<Scratch> of_weights(Schedule::most_groups);
  std::vector<std::unique_ptr<WeightGradient>> weights;
  std::vector<GradientEpilogue> epilogues;
  for (std::int64_t group = 0; group < schedule.groups; ++group) {
    weights.push_back(weight_gradient(s, schedule.images_at_a_time, schedule.one_thread(),
                                      of_weights[size(group)]));
    if (normed) epilogues.emplace_back(input, s, g);
  }
  const std::int64_t w_floats = s.w_size();
  float* const dw_parts = schedule.one_thread() ? of_dw.floats(schedule.groups * w_floats) : dw;
  const auto run = [&](std::int64_t group) {
    const std::int64_t end = s.n * (group + 1) / schedule.groups;
    for (std::int64_t first = s.n * group / schedule.groups; first < end;
         first += schedule.images_at_a_time) {
      gradients.run(ex, first, std::min(schedule.images_at_a_time, end - first),
                    schedule.one_thread(), *weights[size(group)], data ? &*data : nullptr,
                    normed ? &epilogues[size(group)] : nullptr);
    }
    weights[size(group)]->finish(ex, dw_parts + group * w_floats);
  };
  // A parallel loop within another runs on its thread alone.
  if (schedule.one_thread()) {
    parallel(ex, schedule.groups, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t group = begin; group < end; ++group) run(group);
    });
    add_up(ex, w_floats, schedule.groups, dw_parts, dw);
  } else {
    run(0);
  }
  if (!normed) return;
  for (std::size_t group = 1; group < epilogues.size(); ++group) {
    epilogues[0].add(epilogues[group]);
  }
  epilogues[0].total(sums);
  if (coefficients != nullptr) make_coefficients(ex, {s.n * s.h * s.w, s.c}, sums, *coefficients);
}

}  // namespace trifold::kernels::cpu
