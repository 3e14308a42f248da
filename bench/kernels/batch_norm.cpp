/// Batch norm whole, with what can be fused behind it, and its steps.
///
/// The work is the least that a fused form moves: every array once, as though the sums were taken
/// while a neighbour writes or reads the array. The ReLU mask is known from x, and has to be read
/// from y only behind a residual.
#include <memory>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/batch_norm.h"

namespace trifold::bench {
namespace {

using kernels::Activation;
using kernels::BatchNormShape;
using kernels::Exec;

struct Fusion {
  const char* name;
  Activation act;
  bool residual;
};
constexpr Fusion fusions[] = {{"plain", Activation::none, false},
                              {"relu", Activation::relu, false},
                              {"residual_relu", Activation::relu, true}};

constexpr float eps = 1e-5f, momentum = 0.1f;

/// The vectors of a batch norm, all in the cache; statistics and sums have room for three.
struct Parameters {
  explicit Parameters(std::int64_t channels)
      : ones(static_cast<std::size_t>(channels), 1.0f),
        mean(ones),
        inv_std(ones),
        scale(ones),
        shift(ones),
        dgamma(ones),
        dbeta(ones),
        running_mean(ones),
        running_var(ones),
        statistics(static_cast<std::size_t>(3 * channels), 0.5f) {}

  std::vector<float> ones, mean, inv_std, scale, shift, dgamma, dbeta, running_mean, running_var;
  std::vector<float> statistics;
};

/// A row's call with its parameters: body(ex, size of an array, parameters).
template <class Body>
Prepare with_parameters(const BatchNormShape& s, const Body& body) {
  return [=](const Exec& ex) {
    const auto parameters = std::make_shared<Parameters>(s.channels);
    return [=] { body(ex, s.rows * s.channels, *parameters); };
  };
}

const float* residual_of(const Fusion& f, std::int64_t size) {
  return f.residual ? cold_input(size) : nullptr;
}

Work forward_work(const Fusion& f, std::int64_t size) {
  return f.residual ? traffic(3 * size, 2) : traffic(2 * size, 1);
}

void add_fusion(const Suite& suite, const std::string& shape, const BatchNormShape& s,
                const Fusion& f) {
  const std::int64_t size = s.rows * s.channels;
  const Work forward = forward_work(f, size);
  const Work backward = traffic((f.residual ? 5 : 3) * size);
  suite.add({"batch_norm_train", shape, f.name, forward},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              kernels::batch_norm_train(ex, s, cold_input(count), p.ones.data(), p.ones.data(), eps,
                                        momentum, residual_of(f, count), f.act, cold_output(count),
                                        p.mean.data(), p.inv_std.data(), p.running_mean.data(),
                                        p.running_var.data());
            }));
  suite.add({"batch_norm_eval", shape, f.name, forward},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              kernels::batch_norm_eval(ex, s, cold_input(count), p.ones.data(), p.ones.data(),
                                       p.ones.data(), p.ones.data(), eps, residual_of(f, count),
                                       f.act, cold_output(count));
            }));
  suite.add({"batch_norm_backward", shape, f.name, backward},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              const float *x = cold_input(count), *y = cold_input(count), *dy = cold_input(count);
              float* const dx = cold_output(count);
              kernels::batch_norm_backward(
                  ex, s, x, y, p.mean.data(), p.inv_std.data(), p.ones.data(), f.act, dy, dx,
                  p.dgamma.data(), p.dbeta.data(), f.residual ? cold_output(count) : nullptr);
            }));
  suite.add({"batch_norm_eval_backward", shape, f.name, backward},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              const float *x = cold_input(count), *y = cold_input(count), *dy = cold_input(count);
              float* const dx = cold_output(count);
              kernels::batch_norm_eval_backward(
                  ex, s, x, y, p.ones.data(), p.ones.data(), eps, p.ones.data(), f.act, dy, dx,
                  p.dgamma.data(), p.dbeta.data(), f.residual ? cold_output(count) : nullptr);
            }));
}

void add_steps(const Suite& suite, const std::string& shape, const BatchNormShape& s) {
  const std::int64_t size = s.rows * s.channels;
  suite.add({"batch_norm_statistics", shape, "", traffic(size)},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              kernels::batch_norm_statistics(ex, s, cold_input(count), p.statistics.data());
            }));
  suite.add({"batch_norm_factors", shape, "", traffic(11 * s.channels)},
            with_parameters(s, [=](const Exec& ex, std::int64_t, Parameters& p) {
              kernels::batch_norm_factors(ex, s, p.statistics.data(), p.ones.data(), p.ones.data(),
                                          eps, momentum, p.mean.data(), p.inv_std.data(),
                                          p.scale.data(), p.shift.data(), p.running_mean.data(),
                                          p.running_var.data());
            }));
  for (const Fusion& f : fusions) {
    suite.add({"batch_norm_apply", shape, f.name, forward_work(f, size)},
              with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
                kernels::batch_norm_apply(ex, s, cold_input(count), p.mean.data(), p.scale.data(),
                                          p.shift.data(), residual_of(f, count), f.act,
                                          cold_output(count));
              }));
  }
  suite.add({"batch_norm_gradient", shape, "", traffic(3 * size)},
            with_parameters(s, [=](const Exec& ex, std::int64_t count, Parameters& p) {
              const float *x = cold_input(count), *g = cold_input(count);
              kernels::batch_norm_gradient(ex, s, x, p.mean.data(), p.inv_std.data(), p.ones.data(),
                                           g, p.statistics.data(), kernels::Write::overwrite,
                                           cold_output(count), p.dgamma.data(), p.dbeta.data());
            }));
}

}  // namespace

void add_batch_norm_rows(const Suite& suite) {
  const auto add = [&suite](std::int64_t n, std::int64_t side, std::int64_t c) {
    const std::string shape = image_name(n, side, side, c);
    const BatchNormShape s{n * side * side, c};
    for (const Fusion& f : fusions) add_fusion(suite, shape, s, f);
    add_steps(suite, shape, s);
  };
  for (const std::int64_t c : {5, 11, 13, 16, 23, 45, 48}) add(128, 32, c);
  add(128, 16, 32);
  add(128, 8, 64);
  add(1, 32, 16);
  add(16, 56, 256);
  add(16, 7, 2048);
}

}  // namespace trifold::bench
