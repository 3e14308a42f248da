/// The twins of every contract: the same name and signature in `kernels::cpu` and `kernels::cuda`.
/// Only kernels/runtime/dispatch.h and the backends themselves include this.
#pragma once

#include "kernels/augment.h"
#include "kernels/batch_norm.h"
#include "kernels/channel_gather.h"
#include "kernels/channel_scale.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/depthwise_conv2d.h"
#include "kernels/distillation.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/flatten.h"
#include "kernels/grouped_conv2d.h"
#include "kernels/inverted_residual.h"
#include "kernels/linear.h"
#include "kernels/norm_conv2d.h"
#include "kernels/optimizer.h"
#include "kernels/packed_conv2d.h"
#include "kernels/pool.h"
#include "kernels/resize.h"
#include "kernels/runtime/graph.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/stream.h"
#include "kernels/sigmoid.h"
#include "kernels/softmax_cross_entropy.h"

// A declaration of a function by the type of another gives the twin exactly the contract's
// signature, so the two can't drift apart.
#define TRIFOLD_FOR_EACH_KERNEL(X)    \
  X(conv2d_forward)                   \
  X(conv2d_packing)                   \
  X(conv2d_pack)                      \
  X(conv2d_packed_forward)            \
  X(conv2d_backward_data)             \
  X(conv2d_backward_weight)           \
  X(norm_conv2d_forward)              \
  X(norm_conv2d_backward)             \
  X(depthwise_conv2d_forward)         \
  X(depthwise_conv2d_backward_data)   \
  X(depthwise_conv2d_backward_weight) \
  X(grouped_conv2d_forward)           \
  X(grouped_conv2d_backward_data)     \
  X(grouped_conv2d_backward_weight)   \
  X(inverted_residual_workspace)      \
  X(inverted_residual_forward)        \
  X(batch_norm_train)                 \
  X(batch_norm_statistics)            \
  X(batch_norm_factors)               \
  X(batch_norm_apply)                 \
  X(batch_norm_gradient_sums)         \
  X(batch_norm_gradient)              \
  X(batch_norm_gradient_coefficients) \
  X(batch_norm_eval)                  \
  X(batch_norm_backward)              \
  X(batch_norm_eval_backward)         \
  X(relu_forward)                     \
  X(relu_backward)                    \
  X(relu6_forward)                    \
  X(relu6_backward)                   \
  X(sigmoid_forward)                  \
  X(sigmoid_backward)                 \
  X(add)                              \
  X(fill)                             \
  X(scale)                            \
  X(scale_by)                         \
  X(mean)                             \
  X(dropout)                          \
  X(flatten_forward)                  \
  X(flatten_backward)                 \
  X(resize_forward)                   \
  X(resize_backward)                  \
  X(max_pool_forward)                 \
  X(max_pool_backward)                \
  X(avg_pool_forward)                 \
  X(avg_pool_backward)                \
  X(global_avg_pool_forward)          \
  X(global_avg_pool_backward)         \
  X(linear_forward)                   \
  X(linear_backward_data)             \
  X(linear_backward_weight)           \
  X(softmax_cross_entropy)            \
  X(count_top1)                       \
  X(add_to_totals)                    \
  X(distillation_loss)                \
  X(augment)                          \
  X(copy_channels)                    \
  X(channel_gather_forward)           \
  X(channel_gather_backward)          \
  X(channel_scale)                    \
  X(channel_scale_gradient)           \
  X(sgd_step)                         \
  X(ema_update)                       \
  X(update_parameters)

#define TRIFOLD_FOR_EACH_MEMORY_FUNCTION(X) \
  X(has_tensor_cores)                       \
  X(allocate)                               \
  X(release)                                \
  X(copy_memory)                            \
  X(clear_memory)                           \
  X(synchronize)                            \
  X(memory_use)                             \
  X(reset_memory_peak)                      \
  X(release_cached_memory)                  \
  X(create_stream)                          \
  X(destroy_stream)                         \
  X(create_event)                           \
  X(destroy_event)                          \
  X(record_event)                           \
  X(wait_for_event)                         \
  X(synchronize_event)                      \
  X(allocate_staging)                       \
  X(release_staging)                        \
  X(copy_from_staging)                      \
  X(has_graphs)                             \
  X(use_pool)                               \
  X(drop_pool)                              \
  X(begin_capture)                          \
  X(end_capture)                            \
  X(launch_graph)                           \
  X(destroy_graph)

#define TRIFOLD_DECLARE_TWIN(op) decltype(kernels::op) op;

namespace trifold::kernels::cpu {
TRIFOLD_FOR_EACH_KERNEL(TRIFOLD_DECLARE_TWIN)
TRIFOLD_FOR_EACH_MEMORY_FUNCTION(TRIFOLD_DECLARE_TWIN)
}  // namespace trifold::kernels::cpu

namespace trifold::kernels::cuda {
TRIFOLD_FOR_EACH_KERNEL(TRIFOLD_DECLARE_TWIN)
TRIFOLD_FOR_EACH_MEMORY_FUNCTION(TRIFOLD_DECLARE_TWIN)

/// GPUs that can be used; 0 also where there is no driver.
int device_count();

/// Makes `device` the calling thread's current one. Errors: DeviceError where it can't be used.
void require_device(Device device);
}  // namespace trifold::kernels::cuda

#undef TRIFOLD_DECLARE_TWIN
