#include "kernels/dropout.h"

#include "engine/ops.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

Var dropout(Tape& tape, const Var& x, float rate, const kernels::DropoutDraws& draws,
            const Tensor& step) {
  require<ShapeError>(step.shape() == Shape{1}, "a dropout by steps {}", to_string(step.shape()));
  Tensor y = Tensor::empty(x.shape(), x.value.device());
  kernels::dropout(tape.exec(), y.size(), rate, draws, step.data(), x.value.data(), y.data());
  Var result = tape.result(std::move(y), {&x});
  tape.record(result, [ex = tape.exec(), rate, draws, step, dx_sum = x.gradient](const Tensor& dy) {
    Tensor dx = dy.unique() ? dy : Tensor::empty(dy.shape(), dy.device());
    kernels::dropout(ex, dy.size(), rate, draws, step.data(), dy.data(), dx.data());
    dx_sum->add(ex, std::move(dx));
  });
  return result;
}

}  // namespace trifold::engine
