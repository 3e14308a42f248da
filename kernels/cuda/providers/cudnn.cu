/// Convolutions by cuDNN, by algorithms that it calls deterministic. Its filters lie as (k,r,s,c),
/// so weights (r,s,c,k) are transposed on the way in and out.
#include <cudnn.h>

#include <array>
#include <map>
#include <string>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/column_sums.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/providers.h"
#include "kernels/runtime/error_types.h"
#include "kernels/runtime/scratch.h"

namespace trifold::kernels::cuda::cudnn {
namespace {

void check_status(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceError(std::string(call) + " failed (" + cudnnGetErrorString(status) +
                    "); run without TRIFOLD_CUDA_PROVIDER to go on");
}
#define TRIFOLD_CUDNN_CHECK(call) check_status((call), #call)

/// One a thread and device, on the stream of `ex`. Never destroyed: the library may be gone by
/// then.
cudnnHandle_t handle_of(const Exec& ex) {
  static thread_local auto& handles = *new std::map<int, cudnnHandle_t>;
  cudnnHandle_t& handle = handles[ex.device.index];
  if (handle == nullptr) TRIFOLD_CUDNN_CHECK(cudnnCreate(&handle));
  TRIFOLD_CUDNN_CHECK(cudnnSetStream(handle, stream_of(ex)));
  return handle;
}

/// A descriptor that goes with its owner.
template <class Handle, cudnnStatus_t (*create)(Handle*), cudnnStatus_t (*destroy)(Handle)>
class Descriptor {
 public:
  Descriptor() { TRIFOLD_CUDNN_CHECK(create(&handle_)); }
  ~Descriptor() { static_cast<void>(destroy(handle_)); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator Handle() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};
using Array =
    Descriptor<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using Filter =
    Descriptor<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using Convolution = Descriptor<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor,
                               cudnnDestroyConvolutionDescriptor>;

void describe(const Array& array, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  TRIFOLD_CUDNN_CHECK(cudnnSetTensor4dDescriptor(array, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT,
                                                 to_int(n), to_int(c), to_int(h), to_int(w)));
}

struct Problem {
  Array x, y, b;
  Filter w;
  Convolution convolution;

  Problem(const Exec& ex, const Conv2dShape& s) {
    check(s);
    describe(x, s.n, s.h, s.w, s.c);
    describe(y, s.n, s.p(), s.q(), s.k);
    describe(b, 1, 1, 1, s.k);
    TRIFOLD_CUDNN_CHECK(cudnnSetFilter4dDescriptor(w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC,
                                                   to_int(s.k), to_int(s.c), to_int(s.r),
                                                   to_int(s.s)));
    TRIFOLD_CUDNN_CHECK(cudnnSetConvolution2dDescriptor(
        convolution, to_int(s.pad_h), to_int(s.pad_w), to_int(s.stride_h), to_int(s.stride_w), 1, 1,
        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    TRIFOLD_CUDNN_CHECK(cudnnSetConvolutionMathType(
        convolution, ex.precision == Precision::fp32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH));
  }
};

/// The first of the algorithms, which are sorted by their expected time, that gives the same bits
/// each time.
template <class Found>
Found fastest_deterministic(const std::array<Found, 8>& found, int count) {
  for (int i = 0; i < count; ++i) {
    const Found& f = found[static_cast<std::size_t>(i)];
    if (f.status == CUDNN_STATUS_SUCCESS && f.determinism == CUDNN_DETERMINISTIC) return f;
  }
  throw DeviceError(
      "cuDNN has no deterministic algorithm for a convolution; run without TRIFOLD_CUDA_PROVIDER");
}

/// y (columns,rows) = x (rows,columns) transposed.
struct Transpose {
  std::int64_t rows, columns;
  const float* x;
  float* y;

  template <int V>
  __device__ void run(std::int64_t i) const {
    for (int v = 0; v < V; ++v) y[i + v] = x[(i + v) % rows * columns + (i + v) / rows];
  }
};

void transpose(const Exec& ex, std::int64_t rows, std::int64_t columns, const float* x, float* y) {
  map(ex, "transpose", rows * columns, false, Transpose{rows, columns, x, y});
}

constexpr float one = 1, zero = 0;

}  // namespace

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  const Problem problem(ex, s);
  const cudnnHandle_t handle = handle_of(ex);
  const Scratch<float> filters(ex, s.w_size());
  transpose(ex, s.r * s.s * s.c, s.k, w, filters.data());
  std::array<cudnnConvolutionFwdAlgoPerf_t, 8> found;
  int count = 0;
  TRIFOLD_CUDNN_CHECK(cudnnGetConvolutionForwardAlgorithm_v7(
      handle, problem.x, problem.w, problem.convolution, problem.y, 8, &count, found.data()));
  const auto chosen = fastest_deterministic(found, count);
  const Scratch<char> workspace(ex, static_cast<std::int64_t>(chosen.memory));
  TRIFOLD_CUDNN_CHECK(cudnnConvolutionForward(handle, &one, problem.x, x, problem.w, filters.data(),
                                              problem.convolution, chosen.algo, workspace.data(),
                                              chosen.memory, &zero, problem.y, y));
  if (b == nullptr) return;
  TRIFOLD_CUDNN_CHECK(cudnnAddTensor(handle, &one, problem.b, b, &one, problem.y, y));
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  const Problem problem(ex, s);
  const cudnnHandle_t handle = handle_of(ex);
  const Scratch<float> filters(ex, s.w_size());
  transpose(ex, s.r * s.s * s.c, s.k, w, filters.data());
  std::array<cudnnConvolutionBwdDataAlgoPerf_t, 8> found;
  int count = 0;
  TRIFOLD_CUDNN_CHECK(cudnnGetConvolutionBackwardDataAlgorithm_v7(
      handle, problem.w, problem.y, problem.convolution, problem.x, 8, &count, found.data()));
  const auto chosen = fastest_deterministic(found, count);
  const Scratch<char> workspace(ex, static_cast<std::int64_t>(chosen.memory));
  TRIFOLD_CUDNN_CHECK(cudnnConvolutionBackwardData(
      handle, &one, problem.w, filters.data(), problem.y, dy, problem.convolution, chosen.algo,
      workspace.data(), chosen.memory, write == Write::accumulate ? &one : &zero, problem.x, dx));
}

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  const Problem problem(ex, s);
  const cudnnHandle_t handle = handle_of(ex);
  const Scratch<float> filters(ex, s.w_size());
  std::array<cudnnConvolutionBwdFilterAlgoPerf_t, 8> found;
  int count = 0;
  TRIFOLD_CUDNN_CHECK(cudnnGetConvolutionBackwardFilterAlgorithm_v7(
      handle, problem.x, problem.y, problem.convolution, problem.w, 8, &count, found.data()));
  const auto chosen = fastest_deterministic(found, count);
  const Scratch<char> workspace(ex, static_cast<std::int64_t>(chosen.memory));
  TRIFOLD_CUDNN_CHECK(cudnnConvolutionBackwardFilter(
      handle, &one, problem.x, x, problem.y, dy, problem.convolution, chosen.algo, workspace.data(),
      chosen.memory, &zero, problem.w, filters.data()));
  transpose(ex, s.k, s.r * s.s * s.c, filters.data(), dw);
  if (db != nullptr) column_sums(ex, s.n * s.p() * s.q(), s.k, dy, db);
}

}  // namespace trifold::kernels::cuda::cudnn
