/// The extents of a tensor.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace trifold::engine {

/// A list of extents, outermost first; the last one is contiguous in memory. Activations are
/// (n, h, w, c), convolution weights (r, s, c, k), matrices (rows, columns).
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : Shape(std::vector(extents)) {}
  /// Errors    ShapeError: a negative extent, or a product of 2^62 or more.
  explicit Shape(std::vector<std::int64_t> extents);

  std::int64_t rank() const { return static_cast<std::int64_t>(extents_.size()); }
  /// The product of the extents; 1 for rank 0.
  std::int64_t size() const { return size_; }
  std::int64_t operator[](std::int64_t axis) const {
    return extents_[static_cast<std::size_t>(axis)];
  }
  /// The last extent: channels. Errors: ShapeError for rank 0.
  std::int64_t channels() const;
  /// size() / channels(): how many rows of channels there are.
  std::int64_t rows() const;
  const std::vector<std::int64_t>& extents() const { return extents_; }
  bool operator==(const Shape& other) const { return extents_ == other.extents_; }

 private:
  std::vector<std::int64_t> extents_;
  std::int64_t size_ = 1;
};

/// "(8, 32, 32, 3)".
std::string to_string(const Shape& shape);

}  // namespace trifold::engine
