#include "engine/tensor.h"

#include <algorithm>
#include <limits>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

std::int64_t size_bytes(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return sizeof(float);
    case DType::i32:
      return sizeof(std::int32_t);
  }
  throw ShapeError("an unknown element type");
}

Tensor Tensor::empty(Shape shape, Device device, DType dtype) {
  Tensor t;
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  require<ShapeError>(t.size() <= std::numeric_limits<std::int64_t>::max() / size_bytes(dtype),
                      "a tensor of shape {} has 2^63 bytes or more", to_string(t.shape()));
  t.buffer_ = std::make_shared<Buffer>(device, t.bytes());
  return t;
}

Tensor Tensor::zeros(Shape shape, Device device, DType dtype) {
  Tensor t = empty(std::move(shape), device, dtype);
  kernels::clear_memory(device, t.buffer_->data(), t.bytes());
  return t;
}

Tensor Tensor::filled(Shape shape, float value, Device device) {
  Tensor t = empty(std::move(shape), device);
  kernels::fill({.device = device}, t.size(), value, t.data());
  return t;
}

Tensor Tensor::from(Shape shape, std::span<const float> values, Device device) {
  Tensor t = empty(std::move(shape));
  require<ShapeError>(t.size() == std::ssize(values), "{} values for a tensor of shape {}",
                      values.size(), to_string(t.shape()));
  std::ranges::copy(values, t.data());
  return device == Device{} ? t : t.to(device);
}

Tensor Tensor::from(Shape shape, std::span<const std::int32_t> values, Device device) {
  Tensor t = empty(std::move(shape), Device{}, DType::i32);
  require<ShapeError>(t.size() == std::ssize(values), "{} values for a tensor of shape {}",
                      values.size(), to_string(t.shape()));
  std::ranges::copy(values, t.ints());
  return device == Device{} ? t : t.to(device);
}

Device Tensor::device() const {
  require<ShapeError>(defined(), "an undefined tensor has no device");
  return buffer_->device();
}

float* Tensor::data() const {
  require<ShapeError>(defined() && dtype_ == DType::f32, "a tensor of float32 was expected");
  return static_cast<float*>(buffer_->data());
}

std::int32_t* Tensor::ints() const {
  require<ShapeError>(defined() && dtype_ == DType::i32, "a tensor of int32 was expected");
  return static_cast<std::int32_t*>(buffer_->data());
}

std::span<float> Tensor::values() const {
  require<DeviceError>(device() == Device{},
                       "the values of a tensor on a GPU must be copied to the CPU first");
  return {data(), static_cast<std::size_t>(size())};
}

std::span<std::int32_t> Tensor::int_values() const {
  require<DeviceError>(device() == Device{},
                       "the values of a tensor on a GPU must be copied to the CPU first");
  return {ints(), static_cast<std::size_t>(size())};
}

Tensor Tensor::to(Device target) const {
  require<ShapeError>(defined(), "an undefined tensor can't be copied");
  Tensor t = empty(shape_, target, dtype_);
  kernels::copy_memory(target, t.buffer_->data(), device(), buffer_->data(), bytes());
  return t;
}

Tensor Tensor::reshaped(Shape shape) const {
  require<ShapeError>(shape.size() == size(), "a tensor of shape {} can't be seen as {}",
                      to_string(shape_), to_string(shape));
  Tensor t = *this;
  t.shape_ = std::move(shape);
  return t;
}

}  // namespace trifold::engine
