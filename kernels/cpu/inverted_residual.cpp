#include "kernels/inverted_residual.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/conv2d/panels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/inverted_residual_steps.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

/// What a band's expanded rows and those of the depthwise convolution take, if they are more than one
/// row: they lie beside the weights in a level 2 cache of 512 KiB.
constexpr std::int64_t band_floats = 80 << 10;
/// An expanded image of no more than this stays in the cache anyway; by bands, threads that share it
/// would work the rows that both read twice.
constexpr std::int64_t small_floats = 40 << 10;

/// Rows of the depthwise convolution's output that are worked together.
struct Bands {
  std::int64_t rows, count;  ///< a band, an image
};

bool worth_bands(const InvertedResidualShape& s) {
  return s.depthwise.h * s.depthwise.w * s.depthwise.c > small_floats;
}

Bands bands_of(const DepthwiseConv2dShape& s) {
  const std::int64_t expanded = s.w * s.c, narrowed = s.q() * s.c;
  const std::int64_t fitting =
      (band_floats - (s.r - s.stride_h) * expanded) / (s.stride_h * expanded + narrowed);
  const std::int64_t rows = std::clamp<std::int64_t>(fitting, 1, s.p());
  const std::int64_t count = (s.p() + rows - 1) / rows;
  return {(s.p() + count - 1) / count, count};
}

/// One thread's way through bands. Of neighbouring ones it keeps the expanded rows that both read.
class BandWorker {
 public:
  BandWorker(const Exec& ex, const InvertedResidualShape& s, const Bands& bands,
             const InvertedResidualWeights& w, float* scratch)
      : one_thread_{.device = ex.device},
        s_(s),
        bands_(bands),
        w_(w),
        expanded_(scratch),
        narrowed_(scratch + most_rows(s.depthwise, bands) * expanded_row()) {}

  static std::int64_t scratch_floats(const DepthwiseConv2dShape& s, const Bands& bands) {
    return most_rows(s, bands) * s.w * s.c + bands.rows * s.q() * s.c;
  }

  /// Band `index` of all images'.
  void work(std::int64_t index, const float* x, const float* residual, Activation act, float* y) {
    const DepthwiseConv2dShape& d = s_.depthwise;
    const std::int64_t image = index / bands_.count, first = index % bands_.count * bands_.rows,
                       rows = std::min(bands_.rows, d.p() - first);
    const std::int64_t top = first * d.stride_h - d.pad_h,
                       bottom = top + (rows - 1) * d.stride_h + d.r;
    expand(x + image * d.h * d.w * s_.expand.c, index, top, bottom);
    cpu::depthwise_conv2d_forward(one_thread_,
                                  {.n = 1,
                                   .h = bottom - top,
                                   .w = d.w,
                                   .c = d.c,
                                   .r = d.r,
                                   .s = d.s,
                                   .stride_h = d.stride_h,
                                   .stride_w = d.stride_w,
                                   .pad_w = d.pad_w},
                                  expanded_, w_.depthwise, w_.depthwise_b, w_.depthwise_act,
                                  narrowed_);
    const std::int64_t at = (image * d.p() + first) * d.q() * s_.project.k;
    cpu::conv2d_packed_forward(one_thread_, rows_of(s_.project, rows), narrowed_, nullptr,
                               w_.project, w_.project_b,
                               residual != nullptr ? residual + at : nullptr, act, y + at);
  }

 private:
  static std::int64_t most_rows(const DepthwiseConv2dShape& s, const Bands& bands) {
    return (bands.rows - 1) * s.stride_h + s.r;
  }
  std::int64_t expanded_row() const { return s_.depthwise.w * s_.depthwise.c; }

  static Conv2dShape rows_of(Conv2dShape s, std::int64_t rows) {
    s.n = 1;
    s.h = rows;
    return s;
  }

  /// Rows [top, bottom) of an expanded image, zero outside of it.
  void expand(const float* image, std::int64_t index, std::int64_t top, std::int64_t bottom) {
    const std::int64_t row = expanded_row(), h = s_.depthwise.h;
    std::int64_t begin = top;
    if (index == last_ + 1 && index % bands_.count != 0 && top < bottom_) {
      std::memmove(expanded_, expanded_ + (top - top_) * row,
                   static_cast<std::size_t>((bottom_ - top) * row) * sizeof(float));
      begin = bottom_;
    }
    last_ = index;
    top_ = top;
    bottom_ = bottom;
    const std::int64_t from = std::clamp<std::int64_t>(0, begin, bottom),
                       to = std::clamp(h, from, bottom);
    std::fill(expanded_ + (begin - top) * row, expanded_ + (from - top) * row, 0.0f);
    if (from < to) {
      cpu::conv2d_packed_forward(
          one_thread_, rows_of(s_.expand, to - from), image + from * s_.expand.w * s_.expand.c,
          nullptr, w_.expand, w_.expand_b, nullptr, w_.expand_act, expanded_ + (from - top) * row);
    }
    std::fill(expanded_ + (to - top) * row, expanded_ + (bottom - top) * row, 0.0f);
  }

  const Exec one_thread_;
  const InvertedResidualShape& s_;
  const Bands bands_;
  const InvertedResidualWeights& w_;
  float *expanded_, *narrowed_;
  std::int64_t last_ = -2, top_ = 0, bottom_ = 0;  // of what lies in expanded_
};

}  // namespace

std::int64_t inverted_residual_workspace(const Exec&, const InvertedResidualShape& s) {
  return worth_bands(s) ? 0 : inverted_residual_step_floats(s);
}

void inverted_residual_forward(const Exec& ex, const InvertedResidualShape& s, const float* x,
                               const InvertedResidualWeights& w, const float* residual,
                               Activation act, float* workspace, float* y) {
  check(s);
  if (!worth_bands(s)) {
    return inverted_residual_in_steps<cpu::conv2d_packed_forward, cpu::depthwise_conv2d_forward>(
        ex, s, x, w, residual, act, workspace, y);
  }
  const Bands bands = bands_of(s.depthwise);
  parallel(ex, s.depthwise.n * bands.count, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    BandWorker worker(ex, s, bands, w,
                      scratch.floats(BandWorker::scratch_floats(s.depthwise, bands)));
    for (std::int64_t i = begin; i < end; ++i) worker.work(i, x, residual, act, y);
  });
}

}  // namespace trifold::kernels::cpu
