/// The ops.
#include <span>

#include "kernels/runtime/dispatch.h"

namespace trifold::kernels {

void conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x, const float* w,
                    const float* b, float* y) {
  run(ex, TRIFOLD_OR_CUDNN(conv2d_forward), s, x, w, b, y);
}

Conv2dPacking conv2d_packing(const Exec& ex, const Conv2dShape& s) {
  return run_on(ex.device, TRIFOLD_TWINS(conv2d_packing), ex, s);
}

void conv2d_pack(const Exec& ex, const Conv2dShape& s, const float* w, float* packed) {
  run(ex, TRIFOLD_TWINS(conv2d_pack), s, w, packed);
}

void conv2d_packed_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                           const InputNorm* norm, const float* packed, const float* b,
                           const float* residual, Activation act, float* y) {
  run(ex, TRIFOLD_TWINS(conv2d_packed_forward), s, x, norm, packed, b, residual, act, y);
}

void conv2d_backward_data(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                          Write write, float* dx) {
  run(ex, TRIFOLD_OR_CUDNN(conv2d_backward_data), s, dy, w, write, dx);
}

void conv2d_backward_weight(const Exec& ex, const Conv2dShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  run(ex, TRIFOLD_OR_CUDNN(conv2d_backward_weight), s, x, dy, dw, db);
}

void norm_conv2d_forward(const Exec& ex, const Conv2dShape& s, const float* x,
                         const InputNorm* norm, const float* w, float* y, float* statistics,
                         const BatchNormFactors* factors) {
  run(ex, TRIFOLD_TWINS(norm_conv2d_forward), s, x, norm, w, y, statistics, factors);
}

void norm_conv2d_backward(const Exec& ex, const Conv2dShape& s, const OutputGradient& dy,
                          const ConvInput& input, const float* w, const float* added, float* g,
                          float* sums, float* dw, const BatchNormCoefficients* coefficients) {
  run(ex, TRIFOLD_TWINS(norm_conv2d_backward), s, dy, input, w, added, g, sums, dw, coefficients);
}

void depthwise_conv2d_forward(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                              const float* w, const float* b, Activation act, float* y) {
  run(ex, TRIFOLD_TWINS(depthwise_conv2d_forward), s, x, w, b, act, y);
}

void depthwise_conv2d_backward_data(const Exec& ex, const DepthwiseConv2dShape& s, const float* dy,
                                    const float* w, Write write, float* dx) {
  run(ex, TRIFOLD_TWINS(depthwise_conv2d_backward_data), s, dy, w, write, dx);
}

void depthwise_conv2d_backward_weight(const Exec& ex, const DepthwiseConv2dShape& s, const float* x,
                                      const float* dy, float* dw, float* db) {
  run(ex, TRIFOLD_TWINS(depthwise_conv2d_backward_weight), s, x, dy, dw, db);
}

void grouped_conv2d_forward(const Exec& ex, const GroupedConv2dShape& s, const float* x,
                            const float* w, const float* b, float* y) {
  run(ex, TRIFOLD_TWINS(grouped_conv2d_forward), s, x, w, b, y);
}

void grouped_conv2d_backward_data(const Exec& ex, const GroupedConv2dShape& s, const float* dy,
                                  const float* w, Write write, float* dx) {
  run(ex, TRIFOLD_TWINS(grouped_conv2d_backward_data), s, dy, w, write, dx);
}

void grouped_conv2d_backward_weight(const Exec& ex, const GroupedConv2dShape& s, const float* x,
                                    const float* dy, float* dw, float* db) {
  run(ex, TRIFOLD_TWINS(grouped_conv2d_backward_weight), s, x, dy, dw, db);
}

std::int64_t inverted_residual_workspace(const Exec& ex, const InvertedResidualShape& s) {
  return run_on(ex.device, TRIFOLD_TWINS(inverted_residual_workspace), ex, s);
}

void inverted_residual_forward(const Exec& ex, const InvertedResidualShape& s, const float* x,
                               const InvertedResidualWeights& w, const float* residual,
                               Activation act, float* workspace, float* y) {
  run(ex, TRIFOLD_TWINS(inverted_residual_forward), s, x, w, residual, act, workspace, y);
}

void batch_norm_train(const Exec& ex, const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float eps, float momentum, const float* residual,
                      Activation act, float* y, float* mean, float* inv_std, float* running_mean,
                      float* running_var) {
  run(ex, TRIFOLD_TWINS(batch_norm_train), s, x, gamma, beta, eps, momentum, residual, act, y, mean,
      inv_std, running_mean, running_var);
}

void batch_norm_statistics(const Exec& ex, const BatchNormShape& s, const float* x,
                           float* statistics) {
  run(ex, TRIFOLD_TWINS(batch_norm_statistics), s, x, statistics);
}

void batch_norm_factors(const Exec& ex, const BatchNormShape& s, const float* statistics,
                        const float* gamma, const float* beta, float eps, float momentum,
                        float* mean, float* inv_std, float* scale, float* shift,
                        float* running_mean, float* running_var) {
  run(ex, TRIFOLD_TWINS(batch_norm_factors), s, statistics, gamma, beta, eps, momentum, mean,
      inv_std, scale, shift, running_mean, running_var);
}

void batch_norm_apply(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                      const float* scale, const float* shift, const float* residual, Activation act,
                      float* y) {
  run(ex, TRIFOLD_TWINS(batch_norm_apply), s, x, mean, scale, shift, residual, act, y);
}

void batch_norm_gradient_sums(const Exec& ex, const BatchNormShape& s, const float* x,
                              const float* y, const float* mean, const float* dy, float* g,
                              float* sums, const BatchNormCoefficients* coefficients) {
  run(ex, TRIFOLD_TWINS(batch_norm_gradient_sums), s, x, y, mean, dy, g, sums, coefficients);
}

void batch_norm_gradient(const Exec& ex, const BatchNormShape& s, const float* x, const float* mean,
                         const float* inv_std, const float* gamma, const float* g,
                         const float* sums, Write write, float* dx, float* dgamma, float* dbeta,
                         std::int64_t pitch) {
  run(ex, TRIFOLD_TWINS(batch_norm_gradient), s, x, mean, inv_std, gamma, g, sums, write, dx,
      dgamma, dbeta, pitch);
}

void batch_norm_gradient_coefficients(const Exec& ex, const BatchNormShape& s, const float* inv_std,
                                      const float* gamma, const float* sums, float* scale,
                                      float* coefficient, float* constant, float* dgamma,
                                      float* dbeta) {
  run(ex, TRIFOLD_TWINS(batch_norm_gradient_coefficients), s, inv_std, gamma, sums, scale,
      coefficient, constant, dgamma, dbeta);
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

void relu6_forward(const Exec& ex, std::int64_t count, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(relu6_forward), count, x, y);
}

void relu6_backward(const Exec& ex, std::int64_t count, const float* y, const float* dy,
                    float* dx) {
  run(ex, TRIFOLD_TWINS(relu6_backward), count, y, dy, dx);
}

void sigmoid_forward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                     float* y) {
  run(ex, TRIFOLD_TWINS(sigmoid_forward), kind, count, x, y);
}

void sigmoid_backward(const Exec& ex, SigmoidKind kind, std::int64_t count, const float* x,
                      const float* dy, float* dx) {
  run(ex, TRIFOLD_TWINS(sigmoid_backward), kind, count, x, dy, dx);
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
  run(ex, TRIFOLD_OR_CUBLAS(linear_forward), s, x, w, b, y);
}

void linear_backward_data(const Exec& ex, const LinearShape& s, const float* dy, const float* w,
                          float* dx) {
  run(ex, TRIFOLD_OR_CUBLAS(linear_backward_data), s, dy, w, dx);
}

void linear_backward_weight(const Exec& ex, const LinearShape& s, const float* x, const float* dy,
                            float* dw, float* db) {
  run(ex, TRIFOLD_OR_CUBLAS(linear_backward_weight), s, x, dy, dw, db);
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

void distillation_loss(const Exec& ex, const SoftmaxShape& s, const float* z,
                       const std::int32_t* labels, float smoothing, const float* t,
                       const Distillation& distillation, float dz_scale, float* loss, float* dz) {
  run(ex, TRIFOLD_TWINS(distillation_loss), s, z, labels, smoothing, t, distillation, dz_scale,
      loss, dz);
}

void dropout(const Exec& ex, std::int64_t count, float rate, const DropoutDraws& draws,
             const float* step, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(dropout), count, rate, draws, step, x, y);
}

void flatten_forward(const Exec& ex, const FlattenShape& s, const float* x, float* y) {
  run(ex, TRIFOLD_TWINS(flatten_forward), s, x, y);
}

void flatten_backward(const Exec& ex, const FlattenShape& s, const float* dy, float* dx) {
  run(ex, TRIFOLD_TWINS(flatten_backward), s, dy, dx);
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

void channel_scale(const Exec& ex, const ChannelScaleShape& s, const float* x, const float* factor,
                   float* y) {
  run(ex, TRIFOLD_TWINS(channel_scale), s, x, factor, y);
}

void channel_scale_gradient(const Exec& ex, const ChannelScaleShape& s, const float* x,
                            const float* dy, float* dfactor) {
  run(ex, TRIFOLD_TWINS(channel_scale_gradient), s, x, dy, dfactor);
}

void sgd_step(const Exec& ex, std::int64_t count, const SgdParams& params, const float* dw,
              float* v, float* w) {
  run(ex, TRIFOLD_TWINS(sgd_step), count, params, dw, v, w);
}

void ema_update(const Exec& ex, std::int64_t count, float decay, const float* w, float* average) {
  run(ex, TRIFOLD_TWINS(ema_update), count, decay, w, average);
}

void update_parameters(const Exec& ex, std::span<const ParameterUpdate> updates, const float* lr,
                       const float* decay) {
  run(ex, TRIFOLD_TWINS(update_parameters), updates, lr, decay);
}

}  // namespace trifold::kernels
