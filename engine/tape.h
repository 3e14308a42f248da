/// Reverse-mode automatic differentiation: each op records a closure, backward() runs them in
/// reverse.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <vector>

#include "engine/tensor.h"
#include "kernels/runtime/exec.h"

namespace trifold::engine {

/// The sum of the gradients that reach one value. Its array may be that of another gradient, too,
/// so that it is written to only where it is unique().
class Gradient {
 public:
  /// Adds a contribution; the first is taken over without a copy, so that what keeps it only reads
  /// it.
  void add(const kernels::Exec& ex, Tensor contribution);
  /// Takes the sum out, leaving nothing; undefined where nothing has arrived.
  Tensor take() { return std::move(sum_); }
  const Tensor& sum() const { return sum_; }

  /// An array for a kernel that writes or accumulates its contribution, and which of the two it
  /// does.
  struct Destination {
    Tensor dx;
    kernels::Write write;
  };
  /// The sum so far, to be accumulated to, or, where nothing has arrived, an array made by fresh(),
  /// to be overwritten. It is taken out: add() it once it is written.
  template <class Fresh>
  Destination take_destination(const Fresh& fresh) {
    Tensor sum = take_to_write();
    if (sum.defined()) return {std::move(sum), kernels::Write::accumulate};
    return {fresh(), kernels::Write::overwrite};
  }

 private:
  /// As take(), with a copy where others read the sum's array.
  Tensor take_to_write();

  Tensor sum_;
};

/// A value in a computation and, where a gradient is wanted, the place that collects it.
struct Var {
  Tensor value;
  std::shared_ptr<Gradient> gradient;

  /// A value without a gradient.
  static Var constant(Tensor value) { return {std::move(value), nullptr}; }
  /// A leaf that collects a gradient.
  static Var parameter(Tensor value) { return {std::move(value), std::make_shared<Gradient>()}; }

  bool requires_grad() const { return gradient != nullptr; }
  const Shape& shape() const { return value.shape(); }
};

/// Records the ops of one forward pass. A closure holds just what its gradient needs, and is
/// destroyed as soon as it has run, so that memory is released while the tape unwinds.
class Tape {
 public:
  enum class Mode { record, no_grad };

  explicit Tape(kernels::Exec ex, Mode mode = Mode::record) : ex_(ex), mode_(mode) {}

  const kernels::Exec& exec() const { return ex_; }
  bool recording() const { return mode_ == Mode::record; }

  /// The result of an op: it requires a gradient if the tape records and an input requires one.
  Var result(Tensor value, std::initializer_list<const Var*> inputs) const;

  /// Appends the gradient closure of the op that made `result`; dropped unless it requires a
  /// gradient. The closure is called with the gradient of `result`, and not at all if none arrived.
  void record(const Var& result, std::function<void(Tensor dy)> closure);

  /// Runs the closures in reverse with d loss = 1 and leaves the tape empty. Calls `progressed`, if it
  /// is one, after each of them.
  /// Errors    ShapeError: `loss` is not a single element or requires no gradient.
  void backward(const Var& loss, const std::function<void()>& progressed = {});

 private:
  struct Step {
    std::shared_ptr<Gradient> gradient;
    std::function<void(Tensor dy)> closure;
  };
  kernels::Exec ex_;
  Mode mode_;
  std::vector<Step> steps_;
};

}  // namespace trifold::engine
