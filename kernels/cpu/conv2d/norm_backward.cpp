#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/cpu/batch_norm_types.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/cpu/ranges.h"
#include "kernels/cpu/scratch.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// Makes the gradient g of what a convolution reads that of what its norm's ReLU takes, and sums it
/// up.
class InputGradient : public PartWork {
 public:
  InputGradient(const ConvInput& input, const Conv2dShape& s, const float* g)
      : input_(input),
        channels_(s.c),
        pitch_(pitch_of(*input.norm, s)),
        g_(g),
        total_(size(2 * s.c), 0.0) {}

  void expect(std::int64_t parts) override {
    add_parts();
    sums_.resize(size(parts * 2 * channels_));
  }

  void take(std::int64_t part, float* g, const Pixels& pixels) override {
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
    pixel_passes().gate(*input_.norm, channels_, pixels, x_offsets, x, a, g,
                        sums_.data() + part * 2 * channels_);
  }

  void add(InputGradient& other) {
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

/// How a batch is cut, by the shape alone. With many images and few weights each thread leads some
/// images from dy to g and sums their weight gradient up by itself, a few at a time, whose arrays lie
/// in its level 2 cache all the while. Otherwise the threads share each step.
struct Schedule {
  static constexpr std::int64_t most_leads = 16;
  std::int64_t leads, images_a_lead, images_at_a_time;

  explicit Schedule(const Conv2dShape& s) {
    // All leads' sums fit a level 3 cache, and there are at least eight leads for the threads to take.
    constexpr std::int64_t sums_floats = 5 << 18, least_leads = 8;
    constexpr std::int64_t level2_floats = 3 << 15, shared_floats = 3 << 19;
    const std::int64_t sums = 4 * s.w_size();  // a transformed window has 36 weights for 9
    leads = most_leads;
    while (leads > s.n || leads * sums > sums_floats) leads /= 2;
    if (leads < least_leads) leads = 1;
    images_a_lead = (s.n + leads - 1) / leads;
    // Enough images to outweigh the weights, which every step goes through, and as even as they go.
    const std::int64_t image = 3 * (s.x_size() + s.y_size()) / s.n;
    const std::int64_t cache_floats = leads > 1 ? level2_floats : shared_floats;
    const std::int64_t fitting =
        std::clamp<std::int64_t>(std::max(cache_floats, 4 * s.w_size()) / image, 1, images_a_lead);
    const std::int64_t times = (images_a_lead + fitting - 1) / fitting;
    images_at_a_time = (images_a_lead + times - 1) / times;
  }

  bool alone() const { return leads > 1; }
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
  void run(const Exec& ex, std::int64_t first, std::int64_t images, bool alone,
           WeightGradient& weights, const DataGradient* data, InputGradient* gated) const {
    thread_local Scratch of_dy;
    const FromImage at{s, first};
    const OutputGradient gradient = at.output(dy);
    float* const formed = dy.y != nullptr ? of_dy.floats(images * s.p() * s.q() * s.k) : nullptr;
    const Source source = input.a != nullptr ? Source{at.input(input.a), s.c}
                                             : Source{at.input(input.x, pitch), pitch, input.norm};
    weights.add(ex, images, source, gradient, formed);
    if (data == nullptr) return;
    data->run(ex, images, alone, formed != nullptr ? formed : gradient.g, at.input(added), gated,
              at.input(g));
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
                          float* sums, float* dw) {
  check(s);
  const Schedule schedule(s);
  const Gradients gradients{s, dy, input, added, g};
  thread_local Scratch of_data, of_dw;
  std::optional<DataGradient> data;
  if (g != nullptr) data.emplace(ex, s, w, of_data);
  const bool gated = g != nullptr && input.norm != nullptr;

  thread_local std::vector<Scratch> of_weights(Schedule::most_leads);
  std::vector<std::unique_ptr<WeightGradient>> weights;
  std::vector<InputGradient> gates;
  for (std::int64_t lead = 0; lead < schedule.leads; ++lead) {
    weights.push_back(
        weight_gradient(s, schedule.images_at_a_time, schedule.alone(), of_weights[size(lead)]));
    if (gated) gates.emplace_back(input, s, g);
  }
  const std::int64_t w_floats = s.w_size();
  float* const dw_parts = schedule.alone() ? of_dw.floats(schedule.leads * w_floats) : dw;
  const auto run = [&](std::int64_t lead) {
    const std::int64_t end = s.n * (lead + 1) / schedule.leads;
    for (std::int64_t first = s.n * lead / schedule.leads; first < end;
         first += schedule.images_at_a_time) {
      gradients.run(ex, first, std::min(schedule.images_at_a_time, end - first), schedule.alone(),
                    *weights[size(lead)], data ? &*data : nullptr,
                    gated ? &gates[size(lead)] : nullptr);
    }
    weights[size(lead)]->finish(ex, dw_parts + lead * w_floats);
  };
  // A parallel loop within another runs on its thread alone.
  if (schedule.alone()) {
    parallel(ex, schedule.leads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t lead = begin; lead < end; ++lead) run(lead);
    });
    add_up(ex, w_floats, schedule.leads, dw_parts, dw);
  } else {
    run(0);
  }
  if (!gated) return;
  for (std::size_t lead = 1; lead < gates.size(); ++lead) gates[0].add(gates[lead]);
  gates[0].total(sums);
}

}  // namespace trifold::kernels::cpu
