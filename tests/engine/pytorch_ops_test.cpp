/// Every op against PyTorch, forward and gradients, with the cases of
/// tests/fixtures/ops.safetensors (see the README there).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/ops.h"
#include "engine/safetensors.h"
#include "kernels/optimizer.h"
#include "kernels/runtime/thread_pool.h"
#include "tests/engine/tensors.h"

namespace trifold::engine {
namespace {

using nlohmann::json;

constexpr double tolerance = 1e-5;  // relative, of the norm of each tensor

const SafetensorsFile& fixtures() {
  static const SafetensorsFile file =
      read_safetensors(std::filesystem::path(TRIFOLD_FIXTURES) / "ops.safetensors");
  return file;
}

// One case: its parameters and, by the names of the README, its tensors.
struct Case {
  json parameters;
  Device device;

  std::string name() const { return parameters.at("name"); }
  std::int64_t count(const char* key) const { return parameters.at(key); }
  bool flag(const char* key) const { return parameters.at(key); }
  float number(const char* key) const { return parameters.at(key); }
  Tensor operator[](const std::string& key) const {
    return fixtures().floats(name() + "." + key).to(device);
  }

  ConvGeometry conv() const {
    return {count("stride_h"), count("stride_w"), count("pad_h"), count("pad_w")};
  }
  PoolGeometry pool() const {
    return {count("r"),        count("s"),     count("stride_h"),
            count("stride_w"), count("pad_h"), count("pad_w")};
  }
};

// Runs `check` on all cases of an op and all devices, on a fresh tape each.
void for_each_case(const std::string& op, const std::function<void(const Case&, Tape&)>& check) {
  static kernels::ThreadPool threads(2);
  int cases = 0;
  for (const json& parameters : json::parse(fixtures().metadata.at("cases"))) {
    if (parameters.at("op") != op) continue;
    for (const Device device : devices()) {
      const Case c{parameters, device};
      SCOPED_TRACE(c.name() + (device.kind == DeviceKind::cpu ? " on the CPU" : " on a GPU"));
      Tape tape({.device = device, .pool = &threads});
      check(c, tape);
    }
    ++cases;
  }
  EXPECT_GT(cases, 0) << "no cases of " << op;
}

void expect_close(const Tensor& actual, const Tensor& expected, const char* what,
                  double scale = 0.0) {
  EXPECT_EQ(actual.shape(), expected.shape()) << what;
  EXPECT_LT(relative_error(actual, doubles(expected), scale), tolerance) << what;
}

// Sends the gradient dy into y.
void backward(Tape& tape, const Var& y, const Tensor& dy) {
  tape.backward(inner_product(tape, y, dy));
}

// An op of one image to one image.
void expect_image_op(const Case& c, Tape& tape, const std::function<Var(const Var&)>& op) {
  const Var x = Var::parameter(nhwc(c["x"]));
  const Var y = op(x);
  expect_close(y.value, nhwc(c["y"]), "y");
  backward(tape, y, nhwc(c["dy"]));
  expect_close(x.gradient->sum(), nhwc(c["dx"]), "dx");
}

TEST(PytorchOps, Conv2d) {
  for_each_case("conv2d", [](const Case& c, Tape& tape) {
    const Var x = Var::parameter(nhwc(c["x"])), w = Var::parameter(rsck(c["w"]));
    const bool bias = c.flag("bias");
    const Var b = bias ? Var::parameter(c["b"]) : Var{};
    const Var y = conv2d(tape, x, w, bias ? &b : nullptr, c.conv());
    expect_close(y.value, nhwc(c["y"]), "y");
    backward(tape, y, nhwc(c["dy"]));
    expect_close(x.gradient->sum(), nhwc(c["dx"]), "dx");
    expect_close(w.gradient->sum(), rsck(c["dw"]), "dw");
    if (bias) expect_close(b.gradient->sum(), c["db"], "db");
  });
}

void expect_batch_norm(const Case& c, Tape& tape, Statistics statistics) {
  const Var x = Var::parameter(nhwc(c["x"]));
  const Var gamma = Var::parameter(c["gamma"]), beta = Var::parameter(c["beta"]);
  const bool added = c.flag("residual"), batch = statistics == Statistics::batch;
  const Var residual = added ? Var::parameter(nhwc(c["residual"])) : Var{};
  const BatchNormState state{&gamma,           &beta,           c["running_mean"],
                             c["running_var"], c.number("eps"), batch ? c.number("momentum") : 0};
  const Var y = batch_norm(tape, x, state, statistics, added ? &residual : nullptr,
                           c.flag("relu") ? kernels::Activation::relu : kernels::Activation::none);
  expect_close(y.value, nhwc(c["y"]), "y");
  const Tensor mean = batch ? c["running_mean_after"] : c["running_mean"];
  const Tensor var = batch ? c["running_var_after"] : c["running_var"];
  expect_close(state.running_mean, mean, "running_mean");
  expect_close(state.running_var, var, "running_var");

  const Tensor dy = nhwc(c["dy"]);
  backward(tape, y, dy);
  // dx is a difference of terms of the size of gamma inv_std dy, which cancel in some cases.
  Doubles terms = doubles(dy);
  const Doubles scale = doubles(gamma.value), inv_std = batch ? doubles(c["inv_std"]) : Doubles{};
  for (std::size_t i = 0; batch && i < terms.size(); ++i) {
    terms[i] *= scale[i % scale.size()] * inv_std[i % scale.size()];
  }
  expect_close(x.gradient->sum(), nhwc(c["dx"]), "dx", batch ? norm(terms) : 0.0);
  expect_close(gamma.gradient->sum(), c["dgamma"], "dgamma");
  expect_close(beta.gradient->sum(), c["dbeta"], "dbeta");
  if (added) expect_close(residual.gradient->sum(), nhwc(c["dresidual"]), "dresidual");
}

TEST(PytorchOps, BatchNormOfTheBatch) {
  for_each_case("batch_norm_train",
                [](const Case& c, Tape& tape) { expect_batch_norm(c, tape, Statistics::batch); });
}

TEST(PytorchOps, BatchNormOfRunningStatistics) {
  for_each_case("batch_norm_eval",
                [](const Case& c, Tape& tape) { expect_batch_norm(c, tape, Statistics::running); });
}

TEST(PytorchOps, Resize) {
  for_each_case("resize", [](const Case& c, Tape& tape) {
    const auto filter =
        c.flag("antialias") ? kernels::ResizeFilter::antialias : kernels::ResizeFilter::plain;
    expect_image_op(c, tape, [&](const Var& x) {
      return resize(tape, x, c.count("dst_h"), c.count("dst_w"), filter);
    });
  });
}

TEST(PytorchOps, MaxPool) {
  for_each_case("max_pool2d", [](const Case& c, Tape& tape) {
    expect_image_op(c, tape, [&](const Var& x) { return max_pool(tape, x, c.pool()); });
  });
}

TEST(PytorchOps, AvgPool) {
  for_each_case("avg_pool2d", [](const Case& c, Tape& tape) {
    if (!c.flag("count_include_pad")) return;  // Not an op of this engine.
    expect_image_op(c, tape, [&](const Var& x) { return avg_pool(tape, x, c.pool()); });
  });
}

TEST(PytorchOps, GlobalAvgPool) {
  for_each_case("global_avg_pool", [](const Case& c, Tape& tape) {
    const Var x = Var::parameter(nhwc(c["x"]));
    const Var y = global_avg_pool(tape, x);
    expect_close(y.value, c["y"], "y");
    backward(tape, y, c["dy"]);
    expect_close(x.gradient->sum(), nhwc(c["dx"]), "dx");
  });
}

TEST(PytorchOps, Linear) {
  for_each_case("linear", [](const Case& c, Tape& tape) {
    const Var x = Var::parameter(c["x"]), w = Var::parameter(transposed(c["w"]));
    const bool bias = c.flag("bias");
    const Var b = bias ? Var::parameter(c["b"]) : Var{};
    const Var y = linear(tape, x, w, bias ? &b : nullptr);
    expect_close(y.value, c["y"], "y");
    backward(tape, y, c["dy"]);
    expect_close(x.gradient->sum(), c["dx"], "dx");
    expect_close(w.gradient->sum(), transposed(c["dw"]), "dw");
    if (bias) expect_close(b.gradient->sum(), c["db"], "db");
  });
}

TEST(PytorchOps, SoftmaxCrossEntropy) {
  for_each_case("softmax_cross_entropy", [](const Case& c, Tape& tape) {
    const Var z = Var::parameter(c["z"]);
    const Tensor labels = fixtures().ints(c.name() + ".labels").to(c.device);
    const Var loss = softmax_cross_entropy(tape, z, labels, c.number("smoothing"));
    expect_close(loss.value, c["mean_loss"], "mean_loss");
    tape.backward(loss);
    expect_close(z.gradient->sum(), c["dz"], "dz");
  });
}

TEST(PytorchOps, ShortcutA) {
  for_each_case("shortcut_a", [](const Case& c, Tape& tape) {
    const std::vector<std::int32_t> channels = c.parameters.at("source");
    const Tensor source = Tensor::from(Shape{std::ssize(channels)}, channels, c.device);
    expect_image_op(
        c, tape, [&](const Var& x) { return channel_gather(tape, x, source, c.count("stride")); });
  });
}

TEST(PytorchOps, Sgd) {
  for_each_case("sgd", [](const Case& c, Tape& tape) {
    const kernels::SgdParams params{c.number("lr"), c.number("momentum"), c.number("weight_decay"),
                                    c.number("l1"), c.flag("nesterov")};
    const Tensor w = c["w"], v = Tensor::zeros(w.shape(), c.device);
    for (std::int64_t i = 1; i <= c.count("steps"); ++i) {
      const std::string step = fmt::format("_{}", i);
      const Tensor dw = c["dw" + step];
      kernels::sgd_step(tape.exec(), w.size(), params, dw.data(), v.data(), w.data());
      expect_close(w, c["w" + step], "w");
      if (params.momentum != 0.0f) expect_close(v, c["v" + step], "v");
    }
  });
}

}  // namespace
}  // namespace trifold::engine
