/// The end of a network: the fully connected layer, the loss and the count of what is right.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/arrays.h"
#include "bench/kernels/rows.h"
#include "kernels/distillation.h"
#include "kernels/linear.h"
#include "kernels/softmax_cross_entropy.h"

namespace trifold::bench {
namespace {

using kernels::Exec;

void add_linear(const Suite& suite, std::int64_t n, std::int64_t inputs, std::int64_t outputs) {
  const kernels::LinearShape s{n, inputs, outputs};
  const std::string shape = fmt::format("n{}_{}x{}", n, inputs, outputs);
  const std::int64_t x_size = n * inputs, w_size = inputs * outputs, y_size = n * outputs;
  Work work = traffic(x_size + w_size + y_size);
  work.flops = 2.0 * static_cast<double>(n * w_size);
  suite.add({"linear_forward", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::linear_forward(ex, s, cold_input(x_size), cold_input(w_size), cold_input(outputs),
                              cold_output(y_size));
    };
  });
  suite.add({"linear_backward_data", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::linear_backward_data(ex, s, cold_input(y_size), cold_input(w_size),
                                    cold_output(x_size));
    };
  });
  suite.add({"linear_backward_weight", shape, "", work}, [=](const Exec& ex) {
    return [=] {
      kernels::linear_backward_weight(ex, s, cold_input(x_size), cold_input(y_size),
                                      cold_output(w_size), cold_output(outputs));
    };
  });
}

struct Answers {
  explicit Answers(std::int64_t n) : labels(static_cast<std::size_t>(n), 1), loss(labels.size()) {}
  std::vector<std::int32_t> labels;
  std::vector<float> loss;
  std::int32_t correct = 0;
};

void add_loss(const Suite& suite, std::int64_t n, std::int64_t classes) {
  const kernels::SoftmaxShape s{n, classes};
  const std::string shape = fmt::format("n{}_{}", n, classes);
  const std::int64_t size = n * classes;
  suite.add({"softmax_cross_entropy", shape, "", traffic(2 * size + 2 * n)}, [=](const Exec& ex) {
    const auto answers = std::make_shared<Answers>(n);
    return [=] {
      kernels::softmax_cross_entropy(ex, s, cold_input(size), answers->labels.data(), 0.1f,
                                     1.0f / 128, answers->loss.data(), cold_output(size));
    };
  });
  suite.add({"distillation_loss", shape, "", traffic(3 * size + 2 * n)}, [=](const Exec& ex) {
    const auto answers = std::make_shared<Answers>(n);
    return [=] {
      kernels::distillation_loss(ex, s, cold_input(size), answers->labels.data(), 0.1f,
                                 cold_input(size), {.weight = 0.5, .temperature = 4}, 1.0f / 128,
                                 answers->loss.data(), cold_output(size));
    };
  });
  suite.add({"count_top1", shape, "", traffic(size + n)}, [=](const Exec& ex) {
    const auto answers = std::make_shared<Answers>(n);
    return [=] {
      kernels::count_top1(ex, s, cold_input(size), answers->labels.data(), &answers->correct);
    };
  });
}

}  // namespace

void add_classifier_rows(const Suite& suite) {
  add_linear(suite, 128, 64, 10);
  add_linear(suite, 128, 45, 10);
  add_linear(suite, 1, 2048, 1000);
  add_linear(suite, 16, 2048, 1000);
  for (const std::int64_t classes : {10, 100, 1000}) add_loss(suite, 128, classes);
}

}  // namespace trifold::bench
