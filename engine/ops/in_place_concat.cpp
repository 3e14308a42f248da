#include "engine/ops.h"
#include "kernels/concat.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

void copy_in(const kernels::Exec& ex, const Tensor& x, std::int64_t first, const Tensor& wide) {
  const std::int64_t c = x.shape().channels();
  kernels::copy_channels(ex, {x.shape().rows(), c, c, 0, wide.shape().channels(), first},
                         kernels::Write::overwrite, x.data(), wide.data());
}

/// Adds the channels of a wide gradient from `first` on to the gradient of what was copied there.
void hand_on(const kernels::Exec& ex, const Tensor& wide, std::int64_t first, const Shape& x,
             Gradient& gradient) {
  auto [dx, write] = gradient.take_destination([&] { return Tensor::empty(x, wide.device()); });
  kernels::copy_channels(ex,
                         {x.rows(), x.channels(), wide.shape().channels(), first, x.channels(), 0},
                         write, wide.data(), dx.data());
  gradient.add(ex, std::move(dx));
}

}  // namespace

Var begin_in_place_concat(Tape& tape, const Var& x, std::int64_t channels) {
  std::vector<std::int64_t> extents = x.shape().extents();
  require<ShapeError>(!extents.empty() && channels >= extents.back(),
                      "an in-place concat of {} to {} channels", to_string(x.shape()), channels);
  extents.back() = channels;
  Tensor wide = Tensor::empty(Shape(std::move(extents)), x.value.device());
  copy_in(tape.exec(), x.value, 0, wide);
  // Even where x needs no gradient, what is concatenated to it may.
  Var result = tape.recording() ? Var::parameter(std::move(wide)) : Var::constant(std::move(wide));
  tape.record(result, [ex = tape.exec(), shape = x.shape(), to = x.gradient](const Tensor& dwide) {
    if (to) hand_on(ex, dwide, 0, shape, *to);
  });
  return result;
}

void extend_in_place_concat(Tape& tape, const Var& wide, const Var& y, std::int64_t first) {
  require<ShapeError>(wide.shape().rows() == y.shape().rows(), "an in-place concat of {} to {}",
                      to_string(y.shape()), to_string(wide.shape()));
  copy_in(tape.exec(), y.value, first, wide.value);
  if (!y.requires_grad()) return;
  // All that came after this has been unwound by then, so that these channels' gradient is
  // complete; that of the others is still collected where it lies.
  tape.record(wide, [ex = tape.exec(), shape = y.shape(), first, to = y.gradient,
                     from = wide.gradient](Tensor dwide) {
    hand_on(ex, dwide, first, shape, *to);
    from->add(ex, std::move(dwide));
  });
}

}  // namespace trifold::engine
