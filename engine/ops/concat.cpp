#include "kernels/concat.h"

#include <algorithm>
#include <vector>

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var concat(Tape& tape, std::span<const Var> inputs) {
  require<ShapeError>(!inputs.empty(), "concat of nothing");
  const std::int64_t rank = inputs.front().shape().rank();
  require<ShapeError>(rank > 0, "concat of tensors of rank 0");
  std::vector<std::int64_t> extents = inputs.front().shape().extents();
  const auto outer = [](const Shape& s) {
    return std::vector(s.extents().begin(), s.extents().end() - 1);
  };
  for (const Var& x : inputs.subspan(1)) {
    require<ShapeError>(
        x.shape().rank() == rank && outer(x.shape()) == outer(inputs.front().shape()),
        "concat of {} and {}", to_string(inputs.front().shape()), to_string(x.shape()));
    extents.back() += x.shape().channels();
  }

  const Device device = inputs.front().value.device();
  Tensor y = Tensor::empty(Shape(extents), device);
  const std::int64_t rows = y.shape().rows(), width = y.shape().channels();
  std::int64_t offset = 0;
  for (const Var& x : inputs) {
    const std::int64_t c = x.shape().channels();
    kernels::copy_channels(tape.exec(), {rows, c, c, 0, width, offset}, kernels::Write::overwrite,
                           x.value.data(), y.data());
    offset += c;
  }

  const bool wanted = tape.recording() &&
                      std::ranges::any_of(inputs, [](const Var& x) { return x.requires_grad(); });
  Var result = wanted ? Var::parameter(std::move(y)) : Var::constant(std::move(y));
  // The values of the inputs are not needed again, only where their gradients go.
  struct Part {
    Shape shape;
    std::shared_ptr<Gradient> gradient;
  };
  std::vector<Part> parts;
  for (const Var& x : inputs) parts.push_back({x.shape(), x.gradient});
  tape.record(result, [ex = tape.exec(), rows, width, parts = std::move(parts)](const Tensor& dy) {
    std::int64_t from = 0;
    for (const Part& part : parts) {
      const std::int64_t c = part.shape.channels();
      if (part.gradient) {
        auto [dx, write] =
            part.gradient->take_destination([&] { return Tensor::empty(part.shape, dy.device()); });
        kernels::copy_channels(ex, {rows, c, width, from, c, 0}, write, dy.data(), dx.data());
        part.gradient->add(ex, std::move(dx));
      }
      from += c;
    }
  });
  return result;
}

}  // namespace trifold::engine
