/// The passes of a convolution by every algorithm that a shape can run with, and by oneDNN.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_check.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/onednn_conv2d.h"
#include "bench/kernels/rows.h"
#include "kernels/packed_conv2d.h"
#include "kernels/runtime/error.h"

namespace trifold::bench {
namespace {

using kernels::Conv2dShape;
using kernels::Exec;
using kernels::cpu::Conv2dAlgorithm;

const char* name_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "conv2d_forward";
    case Pass::backward_data:
      return "conv2d_backward_data";
    case Pass::backward_weight:
      return "conv2d_backward_weight";
  }
  throw Error("a pass that is none of the three");
}

/// A pass and its arrays: x, w for forward; dy, w for the data's gradient; x, dy for the weights'.
struct Problem {
  Problem(const Conv2dShape& shape, Pass of)
      : s(shape),
        pass(of),
        first(noise(of == Pass::backward_data ? s.y_size() : s.x_size(), 1)),
        second(noise(of == Pass::backward_weight ? s.y_size() : s.w_size(), 2)),
        result(static_cast<std::size_t>(result_size(s, of))) {}

  void check(const std::string& what, const std::vector<float>& got) const {
    check_conv2d(what, s, pass, {first.data(), second.data(), got.data()});
  }

  Conv2dShape s;
  Pass pass;
  std::vector<float> first, second, result;
};

/// Forces an algorithm as long as it lives.
class Forced {
 public:
  explicit Forced(Conv2dAlgorithm algorithm) { kernels::cpu::force_conv2d_algorithm(algorithm); }
  ~Forced() { kernels::cpu::force_conv2d_algorithm(std::nullopt); }
  Forced(const Forced&) = delete;
  Forced& operator=(const Forced&) = delete;
};

void run(const Exec& ex, Problem& t) {
  const float *a = t.first.data(), *b = t.second.data();
  switch (t.pass) {
    case Pass::forward:
      return kernels::conv2d_forward(ex, t.s, a, b, nullptr, t.result.data());
    case Pass::backward_data:
      return kernels::conv2d_backward_data(ex, t.s, a, b, kernels::Write::overwrite,
                                           t.result.data());
    case Pass::backward_weight:
      return kernels::conv2d_backward_weight(ex, t.s, a, b, t.result.data(), nullptr);
  }
}

Prepare by_algorithm(const std::string& what, const Conv2dShape& s, Pass pass,
                     Conv2dAlgorithm algorithm) {
  return [=](const Exec& ex) {
    const auto problem = std::make_shared<Problem>(s, pass);
    const std::function<void()> call = [=] {
      const Forced forced(algorithm);
      run(ex, *problem);
    };
    call();
    problem->check(what, problem->result);
    return call;
  };
}

Prepare packed(const std::string& what, const Conv2dShape& s, Conv2dAlgorithm algorithm) {
  return [=](const Exec& ex) {
    const auto problem = std::make_shared<Problem>(s, Pass::forward);
    const Forced while_packed(algorithm);
    std::vector<float> weights(static_cast<std::size_t>(kernels::conv2d_packing(ex, s).floats));
    kernels::conv2d_pack(ex, s, problem->second.data(), weights.data());
    const std::function<void()> call = [=, weights = std::move(weights)] {
      const Forced forced(algorithm);
      kernels::conv2d_packed_forward(ex, s, problem->first.data(), nullptr, weights.data(), nullptr,
                                     nullptr, kernels::Activation::none, problem->result.data());
    };
    call();
    problem->check(what, problem->result);
    return call;
  };
}

#if TRIFOLD_WITH_ONEDNN
Prepare by_onednn(const std::string& what, const Conv2dShape& s, Pass pass) {
  return [=](const Exec& ex) {
    const Problem problem(s, pass);
    const OneDnnConv2d call =
        onednn_conv2d(pass, s, ex.pool->threads(), problem.first.data(), problem.second.data());
    call.run();
    problem.check(what, call.result());
    return call.run;
  };
}
#endif

bool takes_winograd(const Conv2dShape& s) {
  const Forced forced(Conv2dAlgorithm::winograd);
  return kernels::cpu::conv2d_algorithm(s, Pass::forward) == Conv2dAlgorithm::winograd;
}

void add_shape(const Suite& suite, const Conv2dShape& s) {
  const std::string shape = conv2d_name(s);
  std::vector<std::pair<std::string, Conv2dAlgorithm>> algorithms = {
      {"direct", Conv2dAlgorithm::direct}};
  if (takes_winograd(s)) algorithms.emplace_back("winograd", Conv2dAlgorithm::winograd);
  const auto what = [&](const std::string& op, const std::string& variant) {
    return fmt::format("{}/{} by {}", op, shape, variant);
  };
  for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_weight}) {
    const std::string op = name_of(pass);
    const Work work = conv2d_work(s, pass);
    std::vector<Timed> rows;
    for (const auto& [name, algorithm] : algorithms) {
      rows.push_back({{op, shape, name, work}, by_algorithm(what(op, name), s, pass, algorithm)});
    }
#if TRIFOLD_WITH_ONEDNN
    rows.push_back({{op, shape, "onednn", work}, by_onednn(what(op, "onednn"), s, pass)});
#endif
    suite.add(rows);
  }
  const std::string op = "conv2d_packed_forward";
  const Work work = conv2d_work(s, Pass::forward);
  std::vector<Timed> rows;
  for (const auto& [name, algorithm] : algorithms) {
    rows.push_back({{op, shape, name, work}, packed(what(op, name), s, algorithm)});
  }
  suite.add(rows);
}

}  // namespace

void add_conv2d_rows(const Suite& suite, const std::vector<Conv2dShape>& shapes) {
  for (const Conv2dShape& s : shapes) add_shape(suite, s);
}

}  // namespace trifold::bench
