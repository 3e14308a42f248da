/// Between the layouts of files (PyTorch's) and of memory (filters last).
#pragma once

#include "engine/tensor.h"
#include "nn/network.h"

namespace trifold::nn {

/// The shape that a parameter has in a file: (r,s,c,k) is (k,c,r,s) there, (r,s,c) of
/// a depthwise convolution (c,1,r,s), (in,out) is (out,in).
engine::Shape file_shape(Role role, const engine::Shape& shape);

/// The same values in the file's layout, and the inverse. On the CPU.
engine::Tensor to_file_layout(Role role, const engine::Tensor& value);
engine::Tensor from_file_layout(Role role, const engine::Tensor& stored);

}  // namespace trifold::nn
