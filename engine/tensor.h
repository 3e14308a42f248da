/// Arrays with a shape, an element type and an explicit device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "engine/buffer.h"
#include "engine/shape.h"
#include "kernels/runtime/device.h"

namespace trifold::engine {

enum class DType { f32, i32 };

/// Bytes of one element.
std::int64_t size_bytes(DType dtype);

/// A handle to a contiguous array. Copies share the memory, as a shared_ptr does; clone() makes a
/// new array. No operation moves data between devices except to().
class Tensor {
 public:
  /// No array at all; defined() is false.
  Tensor() = default;

  /// An array that is not initialised. Errors: ShapeError for 2^63 bytes or more.
  static Tensor empty(Shape shape, Device device = {}, DType dtype = DType::f32);
  static Tensor zeros(Shape shape, Device device = {}, DType dtype = DType::f32);
  static Tensor filled(Shape shape, float value, Device device = {});
  /// A copy of host values. Errors: ShapeError unless there are shape.size() of them.
  static Tensor from(Shape shape, std::span<const float> values, Device device = {});
  static Tensor from(Shape shape, std::span<const std::int32_t> values, Device device = {});

  bool defined() const { return buffer_ != nullptr; }
  /// Whether no other handle shares the array, so that what holds this one may write to it.
  bool unique() const { return buffer_.use_count() == 1; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return shape_.size(); }
  DType dtype() const { return dtype_; }
  Device device() const;
  std::int64_t bytes() const { return size() * size_bytes(dtype_); }

  /// The elements, on device(). Errors: ShapeError for another element type or an undefined tensor.
  float* data() const;
  std::int32_t* ints() const;
  /// The elements as a range. Errors: DeviceError unless they are on the CPU.
  std::span<float> values() const;
  std::span<std::int32_t> int_values() const;

  /// A new array with the same elements.
  Tensor clone() const { return to(device()); }
  /// A new array on `device` with the same elements; from or to a GPU it waits for the engine's
  /// work there.
  Tensor to(Device device) const;
  /// The same memory under another shape of the same size.
  Tensor reshaped(Shape shape) const;

 private:
  std::shared_ptr<Buffer> buffer_;
  Shape shape_;
  DType dtype_ = DType::f32;
};

}  // namespace trifold::engine
