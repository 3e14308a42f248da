/// The one place that switches on the device.
#include <span>
#include <type_traits>

#include "kernels/backends.h"
#include "kernels/cuda/providers.h"
#include "kernels/error.h"
#include "kernels/trace.h"

namespace trifold::kernels {
namespace {

#if TRIFOLD_WITH_CUDA
/// Calls the twin of ex.device, with that device as the thread's current one.
template <class... Args>
void run(const Exec& ex, const char* name, void (*on_cpu)(const Exec&, Args...),
         void (*on_cuda)(const Exec&, Args...), std::type_identity_t<Args>... args) {
  if (ex.device.kind == DeviceKind::cpu) return on_cpu(ex, args...);
  cuda::require_device(ex.device);
  const TraceRange range(name);
  on_cuda(ex, args...);
}

template <class Result, class... Args>
Result run_on(Device device, const char* name, Result (*on_cpu)(Args...),
              Result (*on_cuda)(Args...), std::type_identity_t<Args>... args) {
  require_device(device);
  const TraceRange range(name);
  return device.kind == DeviceKind::cpu ? on_cpu(args...) : on_cuda(args...);
}

/// For what a device in use leaves behind: it needs no check.
template <class... Args>
void run_quietly(Device device, const char*, void (*on_cpu)(Device, Args...) noexcept,
                 void (*on_cuda)(Device, Args...) noexcept,
                 std::type_identity_t<Args>... args) noexcept {
  device.kind == DeviceKind::cpu ? on_cpu(device, args...) : on_cuda(device, args...);
}

#define TRIFOLD_TWINS(op) #op, cpu::op, cuda::op
// Ops that a provider has, too.
#if TRIFOLD_WITH_CUBLAS
#define TRIFOLD_TWINS_OR_CUBLAS(op) \
#op, cpu::op, cuda::providers().cublas ? cuda::cublas::op : cuda::op
#endif
#if TRIFOLD_WITH_CUDNN
#define TRIFOLD_TWINS_OR_CUDNN(op) \
#op, cpu::op, cuda::providers().cudnn ? cuda::cudnn::op : cuda::op
#endif
#else
template <class... Args>
void run(const Exec& ex, const char*, void (*on_cpu)(const Exec&, Args...),
         std::type_identity_t<Args>... args) {
  require_device(ex.device);
  on_cpu(ex, args...);
}

template <class Result, class... Args>
Result run_on(Device device, const char*, Result (*on_cpu)(Args...),
              std::type_identity_t<Args>... args) {
  require_device(device);
  return on_cpu(args...);
}

template <class... Args>
void run_quietly(Device device, const char*, void (*on_cpu)(Device, Args...) noexcept,
                 std::type_identity_t<Args>... args) noexcept {
  on_cpu(device, args...);
}

#define TRIFOLD_TWINS(op) #op, cpu::op
#endif

#ifndef TRIFOLD_TWINS_OR_CUBLAS
#define TRIFOLD_TWINS_OR_CUBLAS(op) TRIFOLD_TWINS(op)
#endif
#ifndef TRIFOLD_TWINS_OR_CUDNN
#define TRIFOLD_TWINS_OR_CUDNN(op) TRIFOLD_TWINS(op)
#endif

}  // namespace

int device_count(DeviceKind kind) {
  if (kind == DeviceKind::cpu) return 1;
#if TRIFOLD_WITH_CUDA
  return cuda::device_count();
#else
  return 0;
#endif
}

void require_device(Device device) {
  if (device.kind == DeviceKind::cpu) {
    require<DeviceError>(device.index == 0, "there is no CPU device {}, just 0", device.index);
    return;
  }
#if TRIFOLD_WITH_CUDA
  cuda::require_device(device);
#else
  throw DeviceError("this build has no CUDA backend; use --device cpu");
#endif
}

bool has_tensor_cores(Device device) {
  return run_on(device, TRIFOLD_TWINS(has_tensor_cores), device);
}

Block allocate(Device device, std::int64_t bytes, void* stream) {
  return run_on(device, TRIFOLD_TWINS(allocate), device, bytes, stream);
}

void copy_memory(Device to_device, void* to, Device from_device, const void* from,
                 std::int64_t bytes, void* stream) {
  require_device(from_device);
  const Device device = to_device.kind == DeviceKind::cpu ? from_device : to_device;
  run_on(device, TRIFOLD_TWINS(copy_memory), to_device, to, from_device, from, bytes, stream);
}

void clear_memory(Device device, void* data, std::int64_t bytes, void* stream) {
  run_on(device, TRIFOLD_TWINS(clear_memory), device, data, bytes, stream);
}

void synchronize(Device device, void* stream) {
  run_on(device, TRIFOLD_TWINS(synchronize), device, stream);
}

MemoryUse memory_use(Device device) { return run_on(device, TRIFOLD_TWINS(memory_use), device); }

void reset_memory_peak(Device device) { run_on(device, TRIFOLD_TWINS(reset_memory_peak), device); }

void release_cached_memory(Device device) {
  run_on(device, TRIFOLD_TWINS(release_cached_memory), device);
}

void* create_stream(Device device) { return run_on(device, TRIFOLD_TWINS(create_stream), device); }

void* create_event(Device device) { return run_on(device, TRIFOLD_TWINS(create_event), device); }

void record_event(Device device, void* event, void* stream) {
  run_on(device, TRIFOLD_TWINS(record_event), device, event, stream);
}

void wait_for_event(Device device, void* stream, void* event) {
  run_on(device, TRIFOLD_TWINS(wait_for_event), device, stream, event);
}

void synchronize_event(Device device, void* event) {
  run_on(device, TRIFOLD_TWINS(synchronize_event), device, event);
}

Block allocate_staging(Device device, std::int64_t bytes) {
  return run_on(device, TRIFOLD_TWINS(allocate_staging), device, bytes);
}

void copy_from_staging(Device device, void* to, const void* from, std::int64_t bytes,
                       void* stream) {
  run_on(device, TRIFOLD_TWINS(copy_from_staging), device, to, from, bytes, stream);
}

bool has_graphs(Device device) { return run_on(device, TRIFOLD_TWINS(has_graphs), device); }

void use_pool(Device device, const void* pool) {
  run_on(device, TRIFOLD_TWINS(use_pool), device, pool);
}

void begin_recording(Device device) { run_on(device, TRIFOLD_TWINS(begin_recording), device); }

void* end_recording(Device device) { return run_on(device, TRIFOLD_TWINS(end_recording), device); }

void launch_graph(Device device, void* graph) {
  run_on(device, TRIFOLD_TWINS(launch_graph), device, graph);
}

void release(Device device, const Block& block, void* stream) noexcept {
  run_quietly(device, TRIFOLD_TWINS(release), block, stream);
}

void destroy_stream(Device device, void* stream) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_stream), stream);
}

void destroy_event(Device device, void* event) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_event), event);
}

void release_staging(Device device, const Block& block) noexcept {
  run_quietly(device, TRIFOLD_TWINS(release_staging), block);
}

void drop_pool(Device device, const void* pool) noexcept {
  run_quietly(device, TRIFOLD_TWINS(drop_pool), pool);
}

void destroy_graph(Device device, void* graph) noexcept {
  run_quietly(device, TRIFOLD_TWINS(destroy_graph), graph);
}

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  run(ex, TRIFOLD_TWINS_OR_CUDNN(conv2d_forward), s, x, w, b, y);
}

Conv2dPacking conv2d_packing(const Exec& ex, const Conv2dShape& s) {
  return run_on(ex.device, TRIFOLD_TWINS(conv2d_packing), ex, s);
}

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  run(ex, TRIFOLD_TWINS(conv2d_pack), s, w, packed);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const float* packed, const float* b, const float* residual,
                           Activation act, float* y) {
  run(ex, TRIFOLD_TWINS(conv2d_packed_forward), s, x, packed, b, residual, act, y);
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  run(ex, TRIFOLD_TWINS_OR_CUDNN(conv2d_backward_data), s, dy, w, write, dx);
}

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  run(ex, TRIFOLD_TWINS_OR_CUDNN(conv2d_backward_weight), s, x, dy, dw, db);
}

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  run(ex, TRIFOLD_TWINS(batch_norm_train), s, x, gamma, beta, eps, momentum, residual, act, y, mean,
      inv_std, running_mean, running_var);
}

void batch_norm_eval(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                     const float* beta, const float* running_mean, const float* running_var,
                     float eps, const float* residual, Activation act, float* y) {
  run(ex, TRIFOLD_TWINS(batch_norm_eval), s, x, gamma, beta, running_mean, running_var, eps,
      residual, act, y);
}

void batch_norm_backward(const Exec& ex, const BatchNormShape& s, const float* x, const float* y,
                         const float* mean, const float* inv_std, const float* gamma,
                         Activation act, const float* dy, float* dx, float* dgamma, float* dbeta,
                         float* dresidual) {
  run(ex, TRIFOLD_TWINS(batch_norm_backward), s, x, y, mean, inv_std, gamma, act, dy, dx, dgamma,
      dbeta, dresidual);
}

void batch_norm_eval_backward(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* running_mean, const float* running_var,
                              float eps, const float* gamma, Activation act, const float* dy,
                              float* dx, float* dgamma, float* dbeta, float* dresidual) {
  run(ex, TRIFOLD_TWINS(batch_norm_eval_backward), s, x, y, running_mean, running_var, eps, gamma,
      act, dy, dx, dgamma, dbeta, dresidual);
}

void relu_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(relu_forward), count, x, y);
}

void relu_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy, float* dx) {
  run(ex, TRIFOLD_TWINS(relu_backward), count, y, dy, dx);
}

void add(const Exec& ex, std::int64_t count, const float* a, const float* b, float* y) {
  run(ex, TRIFOLD_TWINS(add), count, a, b, y);
}

void fill(const Exec& ex, std::int64_t count, float value, float* y) {
  run(ex, TRIFOLD_TWINS(fill), count, value, y);
}

void scale(const Exec& ex, std::int64_t count, float scale, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(scale), count, scale, x, y);
}

void scale_by(const Exec& ex, std::int64_t count, const float* factor, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(scale_by), count, factor, x, y);
}

void mean(const Exec& ex, std::int64_t count, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(mean), count, x, y);
}

void resize_forward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* x,
                    float* y) {
  run(ex, TRIFOLD_TWINS(resize_forward), s, filter, x, y);
}

void resize_backward(const Exec& ex, const ResizeShape& s, ResizeFilter filter, const float* dy,
                     float* dx) {
  run(ex, TRIFOLD_TWINS(resize_backward), s, filter, dy, dx);
}

void max_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y,
                      std::int32_t* argmax) {
  run(ex, TRIFOLD_TWINS(max_pool_forward), s, x, y, argmax);
}

void max_pool_backward(const Exec& ex, const PoolShape& s, const float* dy,
                       const std::int32_t* argmax, float* dx) {
  run(ex, TRIFOLD_TWINS(max_pool_backward), s, dy, argmax, dx);
}

void avg_pool_forward(const Exec& ex, const PoolShape& s, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(avg_pool_forward), s, x, y);
}

void avg_pool_backward(const Exec& ex, const PoolShape& s, const float* dy, float* dx) {
  run(ex, TRIFOLD_TWINS(avg_pool_backward), s, dy, dx);
}

void global_avg_pool_forward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                             const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(global_avg_pool_forward), n, pixels, c, x, y);
}

void global_avg_pool_backward(const Exec& ex, std::int64_t n, std::int64_t pixels, std::int64_t c,
                              const float* dy, float* dx) {
  run(ex, TRIFOLD_TWINS(global_avg_pool_backward), n, pixels, c, dy, dx);
}

void linear_forward(const Exec& ex, const LinearShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  run(ex, TRIFOLD_TWINS_OR_CUBLAS(linear_forward), s, x, w, b, y);
}

void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx) {
  run(ex, TRIFOLD_TWINS_OR_CUBLAS(linear_backward_data), s, dy, w, dx);
}

void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  run(ex, TRIFOLD_TWINS_OR_CUBLAS(linear_backward_weight), s, x, dy, dw, db);
}

void softmax_cross_entropy(const Exec& ex, const SoftmaxShape& s, const float* z,
                           const std::int32_t* labels, float smoothing, float dz_scale, float* loss,
                           float* dz) {
  run(ex, TRIFOLD_TWINS(softmax_cross_entropy), s, z, labels, smoothing, dz_scale, loss, dz);
}

void count_top1(const Exec& ex, const SoftmaxShape& s, const float* z, const std::int32_t* labels,
                std::int32_t* correct) {
  run(ex, TRIFOLD_TWINS(count_top1), s, z, labels, correct);
}

void add_to_totals(const Exec& ex, const SoftmaxShape& s, const float* z,
                   const std::int32_t* labels, const float* mean_loss, Totals* totals) {
  run(ex, TRIFOLD_TWINS(add_to_totals), s, z, labels, mean_loss, totals);
}

void augment(const Exec& ex, const AugmentShape& s, const std::uint8_t* x, const Crop* crops,
             const float* table, float* y) {
  run(ex, TRIFOLD_TWINS(augment), s, x, crops, table, y);
}

void copy_channels(const Exec& ex, const ChannelSlice& s, Write write, const float* src,
                   float* dst) {
  run(ex, TRIFOLD_TWINS(copy_channels), s, write, src, dst);
}

void channel_gather_forward(const Exec& ex, const ChannelGatherShape& s, const float* x,
                            const std::int32_t* source, float* y) {
  run(ex, TRIFOLD_TWINS(channel_gather_forward), s, x, source, y);
}

void channel_gather_backward(const Exec& ex, const ChannelGatherShape& s, const float* dy,
                             const std::int32_t* source, float* dx) {
  run(ex, TRIFOLD_TWINS(channel_gather_backward), s, dy, source, dx);
}

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  run(ex, TRIFOLD_TWINS(sgd_step), count, params, dw, v, w);
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  run(ex, TRIFOLD_TWINS(ema_update), count, decay, w, average);
}

void update_parameters(const Exec& ex, std::span<const ParameterUpdate> updates, const float* lr) {
  run(ex, TRIFOLD_TWINS(update_parameters), updates, lr);
}

}  // namespace trifold::kernels
