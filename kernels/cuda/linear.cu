/// The last layer of a network: a product of few columns, so small that its launch costs more than
/// its arithmetic. One tiled kernel serves all three products by the strides of its operands. Long
/// sums with few outputs are cut into parts of their own blocks, added up by a second kernel in
/// order.
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/linear_plan.h"
#include "kernels/cuda/map.cuh"
#include "kernels/runtime/backends.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda {
namespace {

constexpr int tile = linear_tile, depth = linear_slice;

/// element(i, j) = data[i row_stride + j column_stride].
struct Matrix {
  const float* data;
  std::int64_t row_stride, column_stride;
};

/// c (m,n) = a (m,k) b (k,n) [+ bias].
struct Product {
  std::int64_t m, n, k;
  Matrix a, b;
  const float* bias;
  std::int64_t part_depth;  ///< of k; a multiple of `depth`
};

/// A block computes 16 x 16 elements of the result for one part of k, a thread one of them. Shared
/// memory: a slice of 16 x 32 of each operand, padded against bank conflicts.
__global__ void __launch_bounds__(tile* tile) product_kernel(Product p, float* c) {
  SIMT_SHARED(float, a_slice, [tile][depth + 1]);
  SIMT_SHARED(float, b_slice, [depth][tile + 1]);
  const int column = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y);
  const int thread = row * tile + column;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * tile;
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.y) * tile;
  const std::int64_t begin = blockIdx.z * p.part_depth, end = min(begin + p.part_depth, p.k);
  const bool a_rows_contiguous = p.a.column_stride == 1;
  const bool b_rows_contiguous = p.b.column_stride == 1;
  float sum = 0;
  for (std::int64_t first = begin; first < end; first += depth) {
    for (int i = thread; i < tile * depth; i += tile * tile) {
      // Neighbouring threads read neighbouring addresses, whichever way the operand lies.
      const int ai = a_rows_contiguous ? i / depth : i % tile;
      const int ak = a_rows_contiguous ? i % depth : i / tile;
      const bool a_inside = first_row + ai < p.m && first + ak < end;
      a_slice[ai][ak] =
          a_inside ? p.a.data[(first_row + ai) * p.a.row_stride + (first + ak) * p.a.column_stride]
                   : 0;
      const int bj = b_rows_contiguous ? i % tile : i / depth;
      const int bk = b_rows_contiguous ? i / tile : i % depth;
      const bool b_inside = first_column + bj < p.n && first + bk < end;
      b_slice[bk][bj] =
          b_inside
              ? p.b.data[(first + bk) * p.b.row_stride + (first_column + bj) * p.b.column_stride]
              : 0;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < depth; ++k) sum = fmaf(a_slice[row][k], b_slice[k][column], sum);
    __syncthreads();
  }
  const std::int64_t i = first_row + row, j = first_column + column;
  if (i >= p.m || j >= p.n) return;
  if (p.bias != nullptr) sum += p.bias[j];
  c[(blockIdx.z * p.m + i) * p.n + j] = sum;
}

/// y = the sum of `parts` arrays of `count` elements, in order.
struct AddParts {
  std::int64_t parts, count;
  const float* from;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    Floats<V> sum = load<V>(from + i);
    for (std::int64_t part = 1; part < parts; ++part) {
      add_to(sum, load<V>(from + part * count + i));
    }
    store(y + i, sum);
  }
};

void multiply(const Exec& ex, const char* name, Product p, float* c) {
  const std::int64_t rows = div_up(p.m, tile), columns = div_up(p.n, tile);
  if (columns > 65535)
    throw ShapeError("a linear layer has more outputs than its GPU kernel takes");
  const LinearPlan plan = plan_linear(p.m, p.n, p.k, p.bias != nullptr);
  p.part_depth = plan.part_depth;
  const std::int64_t parts = plan.parts, count = p.m * p.n;
  const Scratch<float> partial(ex, parts > 1 ? parts * count : 0);
  launch(ex, name, product_kernel,
         dim3(static_cast<unsigned>(to_int(rows)), static_cast<unsigned>(columns),
              static_cast<unsigned>(parts)),
         dim3(tile, tile), p, parts > 1 ? partial.data() : c);
  if (parts == 1) return;
  map(ex, "linear_add_parts", count, count % 4 == 0 && aligned({c}),
      AddParts{parts, count, partial.data(), c});
}

}  // namespace

void linear_forward(const Exec& ex, const LinearShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  check(s);
  multiply(ex, "linear_forward", {s.n, s.out, s.in, {x, s.in, 1}, {w, s.out, 1}, b, 0}, y);
}

void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx) {
  check(s);
  multiply(ex, "linear_backward_data",
           {s.n, s.in, s.out, {dy, s.out, 1}, {w, 1, s.out}, nullptr, 0}, dx);
}

void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  check(s);
  multiply(ex, "linear_backward_weight",
           {s.in, s.out, s.n, {x, 1, s.in}, {dy, s.out, 1}, nullptr, 0}, dw);
  if (db != nullptr) column_sums(ex, s.n, s.out, dy, db);
}

}  // namespace trifold::kernels::cuda
