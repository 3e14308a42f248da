#include "kernels/channel_scale.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var channel_scale(Tape& tape, const Var& x, const Var& factor) {
  const Shape &xs = x.shape(), &fs = factor.shape();
  require<ShapeError>(xs.rank() >= 2 && fs.rank() >= 2 && fs[0] == xs[0] &&
                          fs.channels() == xs.channels() && fs.size() == xs[0] * xs.channels(),
                      "channels of {} by factors of {}", to_string(xs), to_string(fs));
  const kernels::ChannelScaleShape s{xs[0], xs.size() / fs.size(), xs.channels()};
  Tensor y = Tensor::empty(xs, x.value.device());
  kernels::channel_scale(tape.exec(), s, x.value.data(), factor.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x, &factor});
  tape.record(result, [ex = tape.exec(), s, x = x.value, factor = factor.value, dx_sum = x.gradient,
                       dfactor_sum = factor.gradient](const Tensor& dy) {
    if (dfactor_sum) {
      Tensor dfactor = Tensor::empty(factor.shape(), dy.device());
      kernels::channel_scale_gradient(ex, s, x.data(), dy.data(), dfactor.data());
      dfactor_sum->add(ex, std::move(dfactor));
    }
    if (!dx_sum) return;
    Tensor dx = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    kernels::channel_scale(ex, s, dy.data(), factor.data(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

}  // namespace trifold::engine
