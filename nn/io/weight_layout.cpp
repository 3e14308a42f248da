#include "nn/io/weight_layout.h"

namespace trifold::nn {
namespace {

using engine::Shape;
using engine::Tensor;

// Transposes each of `blocks` matrices (rows, columns) to (columns, rows).
Tensor transposed(const Tensor& in, std::int64_t blocks, std::int64_t rows, std::int64_t columns,
                  Shape shape) {
  Tensor out = Tensor::empty(std::move(shape));
  for (std::int64_t b = 0; b < blocks; ++b) {
    const float* from = in.data() + b * rows * columns;
    float* to = out.data() + b * rows * columns;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) to[j * rows + i] = from[i * columns + j];
    }
  }
  return out;
}

}  // namespace

Shape file_shape(Role role, const Shape& s) {
  switch (role) {
    case Role::conv_weight:
    case Role::grouped_weight:
      return {s[3], s[2], s[0], s[1]};
    case Role::depthwise_weight:
      return {s[2], 1, s[0], s[1]};
    case Role::linear_weight:
      return {s[1], s[0]};
    default:
      return s;
  }
}

Tensor to_file_layout(Role role, const Tensor& value) {
  const Tensor host = value.to(Device{});
  const Shape& s = host.shape();
  switch (role) {
    case Role::conv_weight:
    case Role::grouped_weight: {  // (rs, ck) -> (ck, rs), then (c,k) -> (k,c) in front of it
      const std::int64_t window = s[0] * s[1];
      const Tensor swapped = transposed(host, window, s[2], s[3], s);  // (rs, k, c)
      return transposed(swapped, 1, window, s[2] * s[3], file_shape(role, s));
    }
    case Role::depthwise_weight:
      return transposed(host, 1, s[0] * s[1], s[2], file_shape(role, s));
    case Role::linear_weight:
      return transposed(host, 1, s[0], s[1], file_shape(role, s));
    default:
      return host;
  }
}

Tensor from_file_layout(Role role, const Tensor& stored) {
  const Shape& s = stored.shape();
  switch (role) {
    case Role::conv_weight:
    case Role::grouped_weight: {
      const std::int64_t window = s[2] * s[3];
      const Shape shape{s[2], s[3], s[1], s[0]};
      const Tensor swapped = transposed(stored, 1, s[0] * s[1], window, shape);  // (rs, k, c)
      return transposed(swapped, window, s[0], s[1], shape);
    }
    case Role::depthwise_weight:
      return transposed(stored, 1, s[0], s[2] * s[3], {s[2], s[3], s[0]});
    case Role::linear_weight:
      return transposed(stored, 1, s[0], s[1], {s[1], s[0]});
    default:
      return stored.clone();
  }
}

}  // namespace trifold::nn
