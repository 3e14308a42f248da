#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d/algorithm.h"
#include "kernels/cpu/conv2d/passes.h"
#include "kernels/cpu/conv2d/winograd.h"
#include "kernels/runtime/backends.h"

namespace trifold::kernels::cpu {
namespace {

using Phase = Conv2dPhase<std::int64_t>;

/// Inputs that no window reaches have no gradient but the addend.
void unreached_inputs(const Exec& ex, const Conv2dShape& s, const Phase& rows, const Phase& columns,
                      const float* addend, PartEpilogue* epilogue, float* dx) {
  const bool applied = epilogue != nullptr && addend != nullptr;
  if (applied) epilogue->start(s.n * rows.count);
  std::vector<std::int64_t> offsets;
  for (std::int64_t j = 0; j < columns.count; ++j) offsets.push_back(j * s.stride_w * s.c);
  parallel(ex, s.n * rows.count, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = rows.first + i % rows.count * s.stride_h;
      const std::int64_t first = ((i / rows.count * s.h + row) * s.w + columns.first) * s.c;
      for (const std::int64_t offset : offsets) {
        float* const to = dx + first + offset;
        if (addend == nullptr) {
          std::fill(to, to + s.c, 0.0f);
        } else if (addend != dx) {
          std::copy_n(addend + first + offset, s.c, to);
        }
      }
      if (applied) epilogue->apply(i, dx + first, {offsets.data(), columns.count});
    }
  });
}

/// The inputs of one phase are a correlation of stride 1 of dy with the taps that reach them, in
/// reverse order and with filters and channels exchanged.
Correlation phase_correlation(const Conv2dShape& s, const Phase& rows, const Phase& columns) {
  return {.n = s.n,
          .h = s.p(),
          .w = s.q(),
          .c = s.k,
          .k = s.c,
          .r = rows.taps,
          .s = columns.taps,
          .stride_h = 1,
          .stride_w = 1,
          .pad_top = rows.pad,
          .pad_left = columns.pad,
          .p = rows.count,
          .q = columns.count,
          .y_image = s.h * s.w * s.c,
          .y_row = s.stride_h * s.w * s.c,
          .y_pixel = s.stride_w * s.c};
}

void pack_phase(const Exec& ex, const Conv2dShape& s, const Phase& rows, const Phase& columns,
                const Panels& panels, const float* w, float* packed) {
  pack_panels(
      ex, panels, rows.taps * columns.taps * s.k, s.k,
      [&](std::int64_t j) {
        const std::int64_t tap = j / s.k;
        const std::int64_t r = rows.last - tap / columns.taps * s.stride_h;
        const std::int64_t c = columns.last - tap % columns.taps * s.stride_w;
        return w + (r * s.s + c) * s.c * s.k + j % s.k;
      },
      packed);
}

}  // namespace

// At stride 1, Winograd's, all inputs are one phase.
DataGradient::DataGradient(const Exec& ex, const Conv2dShape& s, const float* w, Scratch& scratch)
    : s_(s),
      winograd_(conv2d_algorithm(s, Conv2dPass::backward_data) == Conv2dAlgorithm::winograd) {
  const Panels panels{s.c, register_tiles().lanes};
  const std::int64_t tap = s.c * s.k;
  // The phases' taps are those of the window.
  float* to = scratch.floats(winograd_ ? winograd_weight_floats(s.k, s.c)
                                       : s.r * s.s * s.k * panels.padded());
  for (std::int64_t i = 0; i < std::min(s.stride_h, s.h); ++i)
    for (std::int64_t j = 0; j < std::min(s.stride_w, s.w); ++j) {
      const Phase rows = phase_of(i, s.h, s.r, s.stride_h, s.pad_h);
      const Phase columns = phase_of(j, s.w, s.s, s.stride_w, s.pad_w);
      phases_.push_back({rows, columns, to});
      if (winograd_) {
        const float* const last = w + (s.r * s.s - 1) * tap;
        winograd_transform_weights(ex, s.k, s.c,
                                   {.w = last, .tap = -tap, .channel = 1, .filter = s.k}, to);
      } else {
        pack_phase(ex, s, rows, columns, panels, w, to);
        to += rows.taps * columns.taps * s.k * panels.padded();
      }
    }
}

void DataGradient::run(const Exec& ex, std::int64_t images, bool one_thread, const float* dy,
                       const float* addend, PartEpilogue* parts, float* dx) const {
  Conv2dShape s = s_;
  s.n = images;
  for (const auto& [rows, columns, packed] : phases_) {
    const std::int64_t first = (rows.first * s.w + columns.first) * s.c;
    Correlation correlation = phase_correlation(s, rows, columns);
    correlation.one_thread = one_thread;
    const Epilogue epilogue{.addend = addend != nullptr ? addend + first : nullptr, .parts = parts};
    if (winograd_) {
      winograd_correlate(ex, correlation, {dy, s_.k}, packed, epilogue, dx + first);
    } else if (rows.taps > 0 && columns.taps > 0) {
      correlate(ex, register_tiles(), correlation, {dy, s_.k}, packed, epilogue, dx + first);
    } else {
      unreached_inputs(ex, s, rows, columns, addend, parts, dx);
    }
  }
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  check(s);
  thread_local Scratch scratch;
  const DataGradient gradient(ex, s, w, scratch);
  gradient.run(ex, s.n, false, dy, write == Write::accumulate ? dx : nullptr, nullptr, dx);
}

}  // namespace trifold::kernels::cpu
