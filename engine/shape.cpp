#include "engine/shape.h"

#include <fmt/ranges.h>

#include "kernels/runtime/error.h"

namespace trifold::engine {

Shape::Shape(std::vector<std::int64_t> extents) : extents_(std::move(extents)) {
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  for (std::int64_t extent : extents_) {
    require<ShapeError>(extent >= 0, "a shape {} has a negative extent", to_string(*this));
    require<ShapeError>(extent == 0 || size_ < limit / extent,
                        "a shape {} has 2^62 elements or more", to_string(*this));
    size_ *= extent;
  }
}

std::int64_t Shape::channels() const {
  require<ShapeError>(rank() > 0, "a shape of rank 0 has no channels");
  return extents_.back();
}

std::int64_t Shape::rows() const {
  const std::int64_t c = channels();
  return c == 0 ? 0 : size_ / c;
}

std::string to_string(const Shape& shape) {
  return fmt::format("({})", fmt::join(shape.extents(), ", "));
}

}  // namespace trifold::engine
