#include "kernels/channel_gather.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var channel_gather(Tape& tape, const Var& x, const Tensor& source, std::int64_t stride) {
  const Shape& xs = x.shape();
  require<ShapeError>(xs.rank() == 4 && stride >= 1,
                      "channel_gather of a tensor of shape {} with stride {}", to_string(xs),
                      stride);
  const kernels::ChannelGatherShape s{xs[0], xs[1], xs[2], xs[3], source.size(), stride};
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.k}, x.value.device());
  kernels::channel_gather_forward(tape.exec(), s, x.value.data(), source.ints(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result,
              [ex = tape.exec(), s, shape = xs, source, dx_sum = x.gradient](const Tensor& dy) {
                Tensor dx = Tensor::empty(shape, dy.device());
                kernels::channel_gather_backward(ex, s, dy.data(), source.ints(), dx.data());
                dx_sum->add(ex, std::move(dx));
              });
  return result;
}

}  // namespace trifold::engine
