#include "engine/tape.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

void Gradient::add(const kernels::Exec& ex, Tensor contribution) {
  if (!sum_.defined()) {
    sum_ = std::move(contribution);
    return;
  }
  require<ShapeError>(sum_.shape() == contribution.shape(), "gradients of shapes {} and {} meet",
                      to_string(sum_.shape()), to_string(contribution.shape()));
  sum_ = take_to_write();
  kernels::add(ex, sum_.size(), sum_.data(), contribution.data(), sum_.data());
}

Tensor Gradient::take_to_write() {
  Tensor sum = take();
  return !sum.defined() || sum.unique() ? sum : sum.clone();
}

Var Tape::result(Tensor value, std::initializer_list<const Var*> inputs) const {
  const bool wanted =
      recording() && std::ranges::any_of(inputs, [](const Var* v) { return v->requires_grad(); });
  return wanted ? Var::parameter(std::move(value)) : Var::constant(std::move(value));
}

void Tape::record(const Var& result, std::function<void(Tensor dy)> closure) {
  if (result.requires_grad()) steps_.push_back({result.gradient, std::move(closure)});
}

void Tape::backward(const Var& loss, const std::function<void()>& progressed) {
  require<ShapeError>(loss.value.size() == 1 && loss.requires_grad(),
                      "backward starts from a single element that requires a gradient, not from {}",
                      to_string(loss.shape()));
  loss.gradient->add(ex_, Tensor::filled(loss.shape(), 1.0f, loss.value.device()));
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    if (Tensor dy = step.gradient->take(); dy.defined()) step.closure(std::move(dy));
    if (progressed) progressed();
  }
}

}  // namespace trifold::engine
