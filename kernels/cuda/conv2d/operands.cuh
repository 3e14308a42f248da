/// Where the elements of a convolution's operands lie in global memory. An operand answers
/// address<Share>(i) with the address of the i-th vector of this thread's share of the current
/// step, or null where the vector is zero: outside the image, the matrix or the depth.
#pragma once

#include <cstdint>

#include "kernels/conv2d_phase.h"
#include "kernels/cuda/conv2d/tile.cuh"

namespace trifold::kernels::cuda {

/// A counter of three digits, the outermost unbounded, that advances by a fixed step with two
/// carries and no division: the position (r, s, c) in a window or (n, p, q) in a batch.
class Odometer {
 public:
  __device__ Odometer(std::int64_t start, int step, int middle_extent, int inner_extent)
      : middle_extent_(middle_extent), inner_extent_(inner_extent) {
    const std::int64_t line = start / inner_extent;
    outer = static_cast<int>(line / middle_extent);
    middle = static_cast<int>(line % middle_extent);
    inner = static_cast<int>(start % inner_extent);
    step_inner_ = step % inner_extent;
    step_middle_ = step / inner_extent % middle_extent;
    step_outer_ = step / inner_extent / middle_extent;
  }

  __device__ void advance() {
    inner += step_inner_;
    middle += step_middle_;
    outer += step_outer_;
    if (inner >= inner_extent_) {
      inner -= inner_extent_;
      ++middle;
    }
    if (middle >= middle_extent_) {
      middle -= middle_extent_;
      ++outer;
    }
  }

  int outer, middle, inner;

 private:
  int middle_extent_, inner_extent_;
  int step_outer_, step_middle_, step_inner_;
};

/// The window of one row of C: the offset of its first tap in the source, and that tap's place,
/// which may lie in the padding. A block keeps one a row in shared memory, since the division that
/// finds it costs more than the read.
struct alignas(16) Window {
  std::int64_t source;
  int i, j;
};

/// A place that no image reaches: rows of the tile past the last row of C.
constexpr int outside = -(1 << 30);

/// A of forward and backward data: row = window, depth = (r, s, c), the taps of the window over a
/// source (n, h, w, c) with unit dilation.
template <int extent>
class WindowOperand {
 public:
  template <class Element>
  using Slice = cuda::Slice<Element, Innermost::depth, extent>;

  /// Pixels lie `pitch` floats apart.
  __device__ WindowOperand(const float* source, int h, int w, int c, int pitch, int taps_h,
                           int taps_w, const Window* windows, bool vectors)
      : vectors_(vectors),
        source_(source),
        windows_(windows),
        h_(h),
        w_(w),
        pitch_(pitch),
        taps_h_(taps_h),
        tap_(static_cast<int>(threadIdx.x) % (conv2d_step / (vectors ? 4 : 1)) * (vectors ? 4 : 1),
             conv2d_step, max(taps_w, 1), c) {}

  template <class Share>
  __device__ const float* address(int i) const {
    const auto window = simt::ld<Window>(windows_ + Share::outer(i));
    const int row = window.i + tap_.outer, column = window.j + tap_.middle;
    const bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(h_) &&
                        static_cast<unsigned>(column) < static_cast<unsigned>(w_) &&
                        tap_.outer < taps_h_;
    const std::int64_t pixel = static_cast<std::int64_t>(tap_.outer) * w_ + tap_.middle;
    return inside ? source_ + (window.source + pixel * pitch_ + tap_.inner) : nullptr;
  }
  __device__ void next_vector() {}
  __device__ void next_step() { tap_.advance(); }

  /// The channel of all this thread's elements of a step: of the first of four in vectors.
  __device__ int channel() const { return tap_.inner; }

  /// Whether the operand is read in vectors of four floats.
  __device__ bool vectors() const { return vectors_; }

 private:
  bool vectors_;
  const float* source_;
  const Window* windows_;
  int h_, w_, pitch_, taps_h_;
  Odometer tap_;
};

/// B of forward and backward weight: a row-major matrix (depth x columns), read as it lies.
template <int extent>
class MatrixOperand {
 public:
  template <class Element>
  using Slice = cuda::Slice<Element, Innermost::outer, extent>;

  __device__ MatrixOperand(const float* matrix, std::int64_t depth, int columns,
                           std::int64_t first_depth, std::int64_t first_column, bool vectors)
      : vectors_(vectors),
        matrix_(matrix),
        depth_(depth),
        columns_(columns),
        at_depth_(first_depth),
        at_column_(first_column) {}

  template <class Share>
  __device__ const float* address(int i) const {
    const std::int64_t at = offset<Share>(i, at_depth_);
    return at < 0 ? nullptr : matrix_ + at;
  }
  __device__ void next_vector() {}
  __device__ void next_step() { at_depth_ += conv2d_step; }

  /// Where the current step begins.
  __device__ std::int64_t depth() const { return at_depth_; }

  /// The place in the matrix of the i-th vector of this thread's share of the step that begins at
  /// `first_depth`, negative outside.
  template <class Share>
  __device__ std::int64_t offset(int i, std::int64_t first_depth) const {
    const std::int64_t depth = first_depth + Share::depth(i);
    const std::int64_t column = at_column_ + Share::outer(i);
    return depth < depth_ && column < columns_ ? depth * columns_ + column : -1;
  }

  /// The column of all this thread's vectors, or the last one's where they lie past it.
  template <class Share, int width>
  __device__ std::int64_t column() const {
    return min(at_column_ + Share::outer(0), static_cast<std::int64_t>(columns_ - width));
  }

  /// Whether the operand is read in vectors of four floats.
  __device__ bool vectors() const { return vectors_; }

 private:
  bool vectors_;
  const float* matrix_;
  std::int64_t depth_;
  int columns_;
  std::int64_t at_depth_, at_column_;
};

using Phase = Conv2dPhase<int>;

/// B of backward data: depth = (r, s, k) over the taps of a phase in reverse, column = c, from
/// filters (r, s, c, k). The depth is contiguous: no transposed copy of the filters is needed.
template <int extent>
class FlippedFilterOperand {
 public:
  template <class Element>
  using Slice = cuda::Slice<Element, Innermost::depth, extent>;

  __device__ FlippedFilterOperand(const float* filters, const Conv2dExtents& e, const Phase& rows,
                                  const Phase& columns, std::int64_t first_column, bool vectors)
      : vectors_(vectors),
        filters_(filters),
        s_(e.s),
        c_(e.c),
        k_(e.k),
        taps_h_(rows.taps),
        last_r_(rows.last),
        last_s_(columns.last),
        stride_h_(e.stride_h),
        stride_w_(e.stride_w),
        at_column_(first_column),
        tap_(static_cast<int>(threadIdx.x) % (conv2d_step / (vectors ? 4 : 1)) * (vectors ? 4 : 1),
             conv2d_step, max(columns.taps, 1), e.k) {}

  template <class Share>
  __device__ const float* address(int i) const {
    const std::int64_t column = at_column_ + Share::outer(i);
    const std::int64_t tap = static_cast<std::int64_t>(last_r_ - tap_.outer * stride_h_) * s_ +
                             (last_s_ - tap_.middle * stride_w_);
    return tap_.outer < taps_h_ && column < c_ ? filters_ + ((tap * c_ + column) * k_ + tap_.inner)
                                               : nullptr;
  }
  __device__ void next_vector() {}
  __device__ void next_step() { tap_.advance(); }

  /// Whether the operand is read in vectors of four floats.
  __device__ bool vectors() const { return vectors_; }

 private:
  bool vectors_;
  const float* filters_;
  int s_, c_, k_, taps_h_, last_r_, last_s_, stride_h_, stride_w_;
  std::int64_t at_column_;
  Odometer tap_;
};

/// A of backward weight: row = (r, s, c), depth = output pixel (n, p, q), from x (n, h, w, c). A
/// thread keeps its row and walks over the pixels, one a vector.
template <int extent, int threads>
class PixelOperand {
 public:
  template <class Element>
  using Slice = cuda::Slice<Element, Innermost::outer, extent>;

  /// Pixels of x lie `pitch` floats apart.
  __device__ PixelOperand(const float* x, const Conv2dExtents& e, int pitch, std::int64_t first_row,
                          std::int64_t first_pixel, bool vectors)
      : vectors_(vectors),
        x_(x),
        n_(e.n),
        h_(e.h),
        w_(e.w),
        pitch_(pitch),
        stride_h_(e.stride_h),
        stride_w_(e.stride_w),
        pixel_(first_pixel + line_order(static_cast<int>(threadIdx.x) / line(vectors),
                                        threads / line(vectors)),
               threads / line(vectors), e.p, e.q) {
    const std::int64_t row =
        first_row + static_cast<int>(threadIdx.x) % line(vectors) * (vectors ? 4 : 1);
    const std::int64_t tap = row / e.c;
    channel_ = static_cast<int>(row % e.c);
    const std::int64_t r = tap / e.s;
    top_ = r < e.r ? static_cast<int>(r) - e.pad_h : outside;
    left_ = static_cast<int>(tap % e.s) - e.pad_w;
  }

  template <class Share>
  __device__ const float* address(int) const {
    const int row = pixel_.middle * stride_h_ + top_, column = pixel_.inner * stride_w_ + left_;
    const bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(h_) &&
                        static_cast<unsigned>(column) < static_cast<unsigned>(w_) &&
                        pixel_.outer < n_;
    const std::int64_t line = static_cast<std::int64_t>(pixel_.outer) * h_ + row;
    return inside ? x_ + ((line * w_ + column) * pitch_ + channel_) : nullptr;
  }
  __device__ void next_vector() { pixel_.advance(); }
  __device__ void next_step() {}

  /// As of WindowOperand, and the same in every step.
  __device__ int channel() const { return channel_; }

  /// Whether the operand is read in vectors of four floats.
  __device__ bool vectors() const { return vectors_; }

 private:
  bool vectors_;
  /// Vectors along a pixel's rows; `threads / line` pixels are copied at a time.
  static __device__ int line(bool vectors) { return extent / (vectors ? 4 : 1); }

  const float* x_;
  int n_, h_, w_, pitch_, stride_h_, stride_w_;
  int top_, left_, channel_;
  Odometer pixel_;
};

}  // namespace trifold::kernels::cuda
