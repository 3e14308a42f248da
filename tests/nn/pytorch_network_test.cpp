/// Whole networks against PyTorch: logits, gradients and five steps of SGD.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/safetensors.h"
#include "kernels/optimizer.h"
#include "kernels/runtime/thread_pool.h"
#include "nn/arch/densenet.h"
#include "nn/arch/resnet.h"
#include "nn/execute/executor.h"
#include "nn/io/parameters.h"
#include "nn/io/weight_layout.h"
#include "tests/nn/relative_error.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;
using engine::Tape;
using engine::Tensor;
using engine::Var;

// (n,c,h,w) -> (n,h,w,c).
Tensor channels_last(const Tensor& x) {
  const std::int64_t n = x.shape()[0], c = x.shape()[1], h = x.shape()[2], w = x.shape()[3];
  Tensor y = Tensor::empty({n, h, w, c});
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < c; ++j) {
      for (std::int64_t p = 0; p < h * w; ++p) {
        y.data()[(i * h * w + p) * c + j] = x.data()[(i * c + j) * h * w + p];
      }
    }
  }
  return y;
}

Graph graph_of(const std::string& name) {
  if (name == "resnet20") return cifar_resnet(20, Shortcut::A, 3, 10);
  DenseNetSize size{.layers_per_block = 2, .growth = 4, .stem = 8};
  if (name == "densenet_bc") {
    size.bottleneck = true;
    size.compression = 0.5;
  }
  return densenet(size, 3, 10);
}

class PyTorch : public testing::TestWithParam<const char*> {};

TEST_P(PyTorch, AgreesOnLogitsGradientsAndFiveSteps) {
  const SafetensorsFile file =
      engine::read_safetensors(std::string(TRIFOLD_FIXTURES) + "/" + GetParam() + ".safetensors");
  const nlohmann::json fixture = nlohmann::json::parse(file.metadata.at("fixture"));
  const auto lr = fixture.at("training").at("lr").get<float>();
  constexpr double tolerance = 1e-4;

  Network network(graph_of(GetParam()));
  restore_parameters(network, "initial.", file);
  kernels::ThreadPool pool(2);
  const kernels::Exec ex{.pool = &pool};
  const Var x = Var::constant(channels_last(file.floats("images")));
  const Tensor labels = file.ints("labels"), losses = file.floats("losses");

  Tape judge(ex, Tape::Mode::no_grad);
  EXPECT_LT(relative_error(Executor(network).forward(judge, x, inference).logits.value,
                           file.floats("eval_logits")),
            tolerance);

  double squares = 0;
  for (const Parameter& p : network.parameters()) {
    if (!is_trainable(p.role)) continue;
    const Tensor gradient = file.floats("grad." + p.name);
    for (float g : gradient.values()) squares += static_cast<double>(g) * g;
  }
  const double whole_gradient = std::sqrt(squares);

  std::map<std::string, Tensor> velocity;
  for (std::int64_t step = 0; step < losses.size(); ++step) {
    Tape tape(ex);
    const Var loss = engine::softmax_cross_entropy(
        tape, Executor(network).forward(tape, x, training).logits, labels, 0.0f);
    EXPECT_NEAR(loss.value.data()[0] / losses.data()[step], 1.0, tolerance) << "step " << step;
    tape.backward(loss);
    for (Parameter& p : network.parameters()) {
      if (!is_trainable(p.role)) {
        if (step == 0) {
          EXPECT_LT(relative_error(p.var.value, file.floats("step1." + p.name)), tolerance)
              << p.name;
        }
        continue;
      }
      const Tensor gradient = p.var.gradient->take();
      if (step == 0) {
        // Shifts that the next batch norm undoes have gradients of nearly 0, left over from terms
        // that cancel: those are held to the size of the whole gradient.
        EXPECT_LT(relative_error(to_file_layout(p.role, gradient), file.floats("grad." + p.name),
                                 1e-3 * whole_gradient),
                  tolerance)
            << p.name;
      }
      const bool decays = p.role == Role::conv_weight || p.role == Role::linear_weight;
      Tensor& v = velocity.try_emplace(p.name, Tensor::zeros(p.var.shape())).first->second;
      kernels::sgd_step(ex, gradient.size(), {lr, 0.9f, decays ? 1e-4f : 0.0f, 0.0f, false},
                        gradient.data(), v.data(), p.var.value.data());
    }
  }
  for (const Parameter& p : network.parameters()) {
    EXPECT_LT(relative_error(to_file_layout(p.role, p.var.value), file.floats("final." + p.name)),
              tolerance)
        << p.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, PyTorch, testing::Values("resnet20", "densenet", "densenet_bc"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace trifold::nn
