/// The rows of every op, a function a source file.
#pragma once

#include <vector>

#include "bench/kernels/suite.h"
#include "kernels/conv2d.h"

namespace trifold::bench {

void add_conv2d_rows(const Suite& suite, const std::vector<kernels::Conv2dShape>& shapes);
void add_depthwise_conv2d_rows(const Suite& suite);
void add_inverted_residual_rows(const Suite& suite);
void add_grouped_conv2d_rows(const Suite& suite);
void add_norm_conv2d_rows(const Suite& suite);
void add_batch_norm_rows(const Suite& suite);
void add_elementwise_rows(const Suite& suite);
void add_channel_rows(const Suite& suite);
void add_pool_rows(const Suite& suite);
void add_resize_rows(const Suite& suite);
void add_classifier_rows(const Suite& suite);
void add_optimizer_rows(const Suite& suite);
void add_augment_rows(const Suite& suite);

}  // namespace trifold::bench
