#include "kernels/conv2d.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/conv2d_algorithm.h"
#include "kernels/cpu/conv2d_passes.h"
#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/scratch.h"
#include "kernels/error.h"

namespace trifold::kernels {
namespace {

/// Throws unless the product of positive factors is below 2^62.
void check_product(std::initializer_list<std::int64_t> factors) {
  std::int64_t product = 1;
  for (std::int64_t factor : factors) {
    require<ShapeError>(product <= ((std::int64_t{1} << 62) - 1) / factor,
                        "a convolution's tensor has 2^62 elements or more; make it smaller");
    product *= factor;
  }
}

}  // namespace

void check(const Conv2dShape& s) {
  for (std::int64_t extent : {s.n, s.h, s.w, s.c, s.k, s.r, s.s, s.stride_h, s.stride_w})
    require<ShapeError>(extent >= 1,
                        "a convolution's extents and strides must be at least 1, but one is {}",
                        extent);
  require<ShapeError>(s.pad_h >= 0 && s.pad_h < s.r && s.pad_w >= 0 && s.pad_w < s.s,
                      "a convolution's padding {}x{} must be at least 0 and smaller than its "
                      "window {}x{}",
                      s.pad_h, s.pad_w, s.r, s.s);
  check_product({s.n, s.h, s.w, s.c});
  check_product({s.r, s.s, s.c, s.k});
  require<ShapeError>(s.h >= s.r - 2 * s.pad_h && s.w >= s.s - 2 * s.pad_w,
                      "a convolution's window {}x{} is larger than its padded input {}x{}", s.r,
                      s.s, s.h + 2 * s.pad_h, s.w + 2 * s.pad_w);
  check_product({s.n, s.p(), s.q(), s.k});
}

namespace cpu {

Correlation forward_correlation(const Conv2dShape& s) {
  return {.n = s.n,
          .h = s.h,
          .w = s.w,
          .c = s.c,
          .k = s.k,
          .r = s.r,
          .s = s.s,
          .stride_h = s.stride_h,
          .stride_w = s.stride_w,
          .pad_top = s.pad_h,
          .pad_left = s.pad_w,
          .p = s.p(),
          .q = s.q(),
          .y_image = s.p() * s.q() * s.k,
          .y_row = s.q() * s.k,
          .y_pixel = s.k};
}

namespace {

/// The taps of one dimension that reach the inputs of one phase: i = first + m * stride reads
/// outputs m - pad + t with tap last - t * stride, t = 0 ... taps - 1.
struct Phase {
  std::int64_t first, count, taps, last, pad;
};

Phase phase_of(std::int64_t phase, std::int64_t extent, std::int64_t window, std::int64_t stride,
               std::int64_t pad) {
  const std::int64_t first = phase;
  const std::int64_t tap = (first + pad) % stride;  // the smallest tap that meets this phase
  const std::int64_t taps = tap < window ? (window - 1 - tap) / stride + 1 : 0;
  return {.first = first,
          .count = first < extent ? (extent - 1 - first) / stride + 1 : 0,
          .taps = taps,
          .last = tap + (taps - 1) * stride,
          .pad = taps - 1 - (first + pad) / stride};
}

/// Inputs that no window reaches have no gradient but the addend.
void unreached_phase(const Exec& ex, const Conv2dShape& s, const Phase& rows, const Phase& columns,
                     const float* addend, PartWork* work, float* dx) {
  const bool worked = work != nullptr && addend != nullptr;
  if (worked) work->expect(s.n * rows.count);
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
      if (worked) work->take(i, dx + first, {offsets.data(), columns.count});
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

/// At stride 1 all inputs are one phase.
void backward_data_winograd(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                            const float* addend, PartWork* work, float* dx) {
  const Phase rows = phase_of(0, s.h, s.r, 1, s.pad_h), columns = phase_of(0, s.w, s.s, 1, s.pad_w);
  const std::int64_t tap = s.c * s.k;
  thread_local Scratch scratch;
  float* const u = scratch.floats(winograd_weight_floats(s.k, s.c));
  winograd_transform_weights(
      ex, s.k, s.c, {.w = w + (s.r * s.s - 1) * tap, .tap = -tap, .channel = 1, .filter = s.k}, u);
  winograd_correlate(ex, phase_correlation(s, rows, columns), {dy}, u,
                     {.addend = addend, .work = work}, dx);
}

void backward_data_phase(const Exec& ex, const Tiles& tiles, const Conv2dShape& s,
                         const Phase& rows, const Phase& columns, const float* dy, const float* w,
                         const float* addend, PartWork* work, float* dx) {
  const Panels panels{s.c, tiles.lanes};
  const std::int64_t terms = rows.taps * columns.taps * s.k;
  thread_local Scratch scratch;
  float* packed = scratch.floats(terms * panels.padded());
  pack_panels(
      panels, terms, s.k,
      [&](std::int64_t j) {
        const std::int64_t tap = j / s.k;
        const std::int64_t r = rows.last - tap / columns.taps * s.stride_h;
        const std::int64_t c = columns.last - tap % columns.taps * s.stride_w;
        return w + (r * s.s + c) * s.c * s.k + j % s.k;
      },
      packed);
  const std::int64_t first = (rows.first * s.w + columns.first) * s.c;
  correlate(ex, tiles, phase_correlation(s, rows, columns), {dy}, packed,
            {.addend = addend != nullptr ? addend + first : nullptr, .work = work}, dx + first);
}

}  // namespace

void forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source, const float* w,
                  const Finish& finish, float* y) {
  thread_local Scratch scratch;
  float* const packed = scratch.floats(cpu::conv2d_packing(ex, s).floats);
  cpu::conv2d_pack(ex, s, w, packed);
  packed_forward_pass(ex, s, source, packed, finish, y);
}

void packed_forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source,
                         const float* packed, const Finish& finish, float* y) {
  if (conv2d_algorithm(s, Conv2dPass::forward) == Conv2dAlgorithm::winograd) {
    winograd_correlate(ex, forward_correlation(s), source, packed, finish, y);
  } else {
    correlate(ex, tiles(), forward_correlation(s), source, packed, finish, y);
  }
}

void backward_data_pass(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                        const float* addend, PartWork* work, float* dx) {
  if (conv2d_algorithm(s, Conv2dPass::backward_data) == Conv2dAlgorithm::winograd) {
    backward_data_winograd(ex, s, dy, w, addend, work, dx);
    return;
  }
  const Tiles tiles = cpu::tiles();
  for (std::int64_t i = 0; i < std::min(s.stride_h, s.h); ++i)
    for (std::int64_t j = 0; j < std::min(s.stride_w, s.w); ++j) {
      const Phase rows = phase_of(i, s.h, s.r, s.stride_h, s.pad_h);
      const Phase columns = phase_of(j, s.w, s.s, s.stride_w, s.pad_w);
      if (rows.taps > 0 && columns.taps > 0) {
        backward_data_phase(ex, tiles, s, rows, columns, dy, w, addend, work, dx);
      } else {
        unreached_phase(ex, s, rows, columns, addend, work, dx);
      }
    }
}

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  check(s);
  forward_pass(ex, s, {x}, w, {.b = b}, y);
}

// A form is an algorithm for one instruction set.
Conv2dPacking conv2d_packing(const Exec&, const Conv2dShape& s) {
  const Conv2dAlgorithm algorithm = conv2d_algorithm(s, Conv2dPass::forward);
  const std::int64_t filters = Panels{s.k, tiles().lanes}.padded();
  return {.form = 2 * static_cast<std::int32_t>(active_instruction_set()) +
                  (algorithm == Conv2dAlgorithm::winograd ? 1 : 0),
          .floats = algorithm == Conv2dAlgorithm::winograd ? winograd_weight_floats(s.c, s.k)
                                                           : s.r * s.s * s.c * filters};
}

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  check(s);
  if (conv2d_algorithm(s, Conv2dPass::forward) == Conv2dAlgorithm::winograd) {
    winograd_transform_weights(ex, s.c, s.k,
                               {.w = w, .tap = s.c * s.k, .channel = s.k, .filter = 1}, packed);
    return;
  }
  pack_panels(
      Panels{s.k, tiles().lanes}, s.r * s.s * s.c, 1, [&](std::int64_t j) { return w + j * s.k; },
      packed);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const InputNorm* norm, const float* packed, const float* b,
                           const float* residual, Activation act, float* y) {
  check(s);
  if (norm != nullptr) pitch_of(*norm, s);
  packed_forward_pass(ex, s, {x, norm}, packed,
                      {.b = b, .addend = residual, .relu = act == Activation::relu}, y);
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  check(s);
  backward_data_pass(ex, s, dy, w, write == Write::accumulate ? dx : nullptr, nullptr, dx);
}

}  // namespace cpu
}  // namespace trifold::kernels
