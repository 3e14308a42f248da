#include "kernels/norm_conv2d.h"

#include <optional>

#include "engine/fused_ops.h"
#include "engine/ops/conv2d_shape.h"
#include "engine/ops/norm_factors.h"

namespace trifold::engine {
namespace {

float* data_or_null(const Tensor& t) { return t.defined() ? t.data() : nullptr; }

kernels::InputNorm input_norm(const LazyBatchNorm& norm) {
  const NormFactors& f = norm.factors;
  return {f.mean.data(), f.scale.data(), f.shift.data(), norm.act, norm.x.shape().channels()};
}

kernels::OutputGradient output_gradient(const Tensor& g, const DeferredGradient* deferred) {
  if (deferred == nullptr || !deferred->y.defined()) return {g.data()};
  return {g.data(),
          deferred->y.data(),
          deferred->mean.data(),
          deferred->scale.data(),
          deferred->coefficient.data(),
          deferred->constant.data()};
}

}  // namespace

Var norm_conv2d(Tape& tape, const LazyValue& input, const Var& w, const ConvGeometry& g,
                BatchStatistics* statistics, const BatchNormState* behind) {
  const bool stored = input.a.value.defined();
  const Shape& shape = stored ? input.a.shape() : input.norm->shape;
  const Tensor& x = stored ? input.a.value : input.norm->x;
  const kernels::Conv2dShape s = conv2d_shape(shape, w.shape(), nullptr, g);
  const kernels::Exec& ex = tape.exec();
  Tensor y = Tensor::empty({s.n, s.p(), s.q(), s.k}, x.device());
  if (statistics != nullptr) statistics->values = Tensor::empty({3, s.k}, x.device());
  std::optional<kernels::BatchNormFactors> factors;
  if (statistics != nullptr && behind != nullptr) {
    check_state(*behind, y.shape());
    statistics->factors = fresh_factors(y.shape(), x.device());
    factors = factors_to(statistics->factors, *behind);
  }
  kernels::InputNorm norm;
  if (!stored) norm = input_norm(*input.norm);
  kernels::norm_conv2d_forward(ex, s, x.data(), stored ? nullptr : &norm, w.value.data(), y.data(),
                               statistics != nullptr ? statistics->values.data() : nullptr,
                               factors ? &*factors : nullptr);

  Var result = tape.result(std::move(y), {&input.a, &w});
  std::shared_ptr<DeferredGradient> deferred;
  if (statistics != nullptr && result.requires_grad()) {
    statistics->gradient = deferred = std::make_shared<DeferredGradient>();
  }
  tape.record(result, [ex, s, shape, input, w, deferred](const Tensor& g_of_y) {
    const Var& a = input.a;
    Tensor dw = Tensor::empty(w.shape(), g_of_y.device());
    Tensor added, g_of_a, sums;
    std::optional<kernels::BatchNormCoefficients> coefficients;
    if (a.requires_grad()) {
      added = a.gradient->take();
      g_of_a = added.unique() ? added : Tensor::empty(shape, g_of_y.device());
      if (input.norm) sums = Tensor::empty({2, s.c}, g_of_y.device());
      if (input.norm && input.norm->defers) coefficients = fresh_coefficients(*input.norm);
    }
    kernels::InputNorm again;
    kernels::ConvInput read{data_or_null(a.value)};
    if (input.norm) {
      again = input_norm(*input.norm);
      read = {input.norm->x.data(), &again, data_or_null(a.value)};
    }
    kernels::norm_conv2d_backward(ex, s, output_gradient(g_of_y, deferred.get()), read,
                                  w.value.data(), data_or_null(added), data_or_null(g_of_a),
                                  data_or_null(sums), dw.data(),
                                  coefficients ? &*coefficients : nullptr);
    if (w.requires_grad()) w.gradient->add(ex, std::move(dw));
    if (!a.requires_grad()) return;
    a.gradient->add(ex, std::move(g_of_a));
    if (input.norm) input.norm->sums = std::move(sums);
  });
  return result;
}

}  // namespace trifold::engine
