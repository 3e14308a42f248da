/// Linear layers by cuBLAS. A row-major matrix is the transpose of a column-major one, so the
/// products are taken of the transposes, in reverse order.
#include <cublas_v2.h>

#include <map>
#include <string>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/providers.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels::cuda::cublas {
namespace {

void check_status(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string(call) + " failed (" + cublasGetStatusString(status) +
                    "); run without TRIFOLD_CUDA_PROVIDER to go on");
}
#define TRIFOLD_CUBLAS_CHECK(call) check_status((call), #call)

/// One a thread and device, on the stream of `ex`. Never destroyed: the library may be gone by
/// then.
cublasHandle_t handle_of(const Exec& ex) {
  static thread_local auto& handles = *new std::map<int, cublasHandle_t>;
  cublasHandle_t& handle = handles[ex.device.index];
  if (handle == nullptr) TRIFOLD_CUBLAS_CHECK(cublasCreate(&handle));
  TRIFOLD_CUBLAS_CHECK(cublasSetStream(handle, stream_of(ex)));
  return handle;
}

struct Operand {
  const float* data;
  std::int64_t columns;  // of the row-major matrix, as it lies in memory
  cublasOperation_t operation;
};

/// c (m,n) = a (m,k) b (k,n) + beta c, all row-major once the operations are done.
void multiply(const Exec& ex, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
              const Operand& b, float beta, float* c) {
  const float one = 1;
  TRIFOLD_CUBLAS_CHECK(cublasSgemm(handle_of(ex), b.operation, a.operation, to_int(n), to_int(m),
                                   to_int(k), &one, b.data, to_int(b.columns), a.data,
                                   to_int(a.columns), &beta, c, to_int(n)));
}

struct RepeatRow {
  std::int64_t columns;
  const float* row;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    for (int v = 0; v < V; ++v) y[i + v] = row[(i + v) % columns];
  }
};

}  // namespace

void linear_forward(const Exec& ex, const LinearShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  check(s);
  if (b != nullptr) map(ex, "linear_bias", s.n * s.out, false, RepeatRow{s.out, b, y});
  multiply(ex, s.n, s.out, s.in, {x, s.in, CUBLAS_OP_N}, {w, s.out, CUBLAS_OP_N},
           b != nullptr ? 1.0f : 0.0f, y);
}

void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx) {
  check(s);
  multiply(ex, s.n, s.in, s.out, {dy, s.out, CUBLAS_OP_N}, {w, s.out, CUBLAS_OP_T}, 0, dx);
}

void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  check(s);
  multiply(ex, s.in, s.out, s.n, {x, s.in, CUBLAS_OP_T}, {dy, s.out, CUBLAS_OP_N}, 0, dw);
  if (db != nullptr) column_sums(ex, s.n, s.out, dy, db);
}

}  // namespace trifold::kernels::cuda::cublas
