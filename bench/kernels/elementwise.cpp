/// Element-wise maps over an activation.
#include "kernels/elementwise.h"

#include <string>
#include <utility>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/dropout.h"
#include "kernels/sigmoid.h"

namespace trifold::bench {
namespace {

using kernels::Exec;

void add_image(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t c) {
  const std::string shape = image_name(n, side, side, c);
  const std::int64_t count = n * side * side * c;
  suite.add({"relu_forward", shape, "", traffic(2 * count, 1)}, [=](const Exec& ex) {
    return [=] { kernels::relu_forward(ex, count, cold_input(count), cold_output(count)); };
  });
  suite.add({"relu_backward", shape, "", traffic(3 * count)}, [=](const Exec& ex) {
    return [=] {
      kernels::relu_backward(ex, count, cold_input(count), cold_input(count), cold_output(count));
    };
  });
  suite.add({"relu6_forward", shape, "", traffic(2 * count, 1)}, [=](const Exec& ex) {
    return [=] { kernels::relu6_forward(ex, count, cold_input(count), cold_output(count)); };
  });
  suite.add({"relu6_backward", shape, "", traffic(3 * count)}, [=](const Exec& ex) {
    return [=] {
      kernels::relu6_backward(ex, count, cold_input(count), cold_input(count), cold_output(count));
    };
  });
  for (const auto& [kind, name] : {std::pair(kernels::SigmoidKind::sigmoid, "sigmoid"),
                                   std::pair(kernels::SigmoidKind::silu, "silu"),
                                   std::pair(kernels::SigmoidKind::hard_sigmoid, "hard_sigmoid"),
                                   std::pair(kernels::SigmoidKind::hard_swish, "hard_swish")}) {
    const std::string op = name;
    suite.add({op + "_forward", shape, "", traffic(2 * count)}, [=, kind = kind](const Exec& ex) {
      return
          [=] { kernels::sigmoid_forward(ex, kind, count, cold_input(count), cold_output(count)); };
    });
    suite.add({op + "_backward", shape, "", traffic(3 * count)}, [=, kind = kind](const Exec& ex) {
      return [=] {
        kernels::sigmoid_backward(ex, kind, count, cold_input(count), cold_input(count),
                                  cold_output(count));
      };
    });
  }
  suite.add({"add", shape, "", traffic(3 * count)}, [=](const Exec& ex) {
    return
        [=] { kernels::add(ex, count, cold_input(count), cold_input(count), cold_output(count)); };
  });
  suite.add({"fill", shape, "", traffic(count)}, [=](const Exec& ex) {
    return [=] { kernels::fill(ex, count, 0.0f, cold_output(count)); };
  });
  suite.add({"scale", shape, "", traffic(2 * count, 1)}, [=](const Exec& ex) {
    return [=] { kernels::scale(ex, count, 0.5f, cold_input(count), cold_output(count)); };
  });
  suite.add({"scale_by", shape, "", traffic(2 * count, 1)}, [=](const Exec& ex) {
    return [=, factor = 0.5f] {
      kernels::scale_by(ex, count, &factor, cold_input(count), cold_output(count));
    };
  });
  suite.add({"dropout", shape, "", traffic(2 * count)}, [=](const Exec& ex) {
    return [=, step = 1.0f] {
      kernels::dropout(ex, count, 0.5f, {.seed = 1, .stream = 0, .layer = 0}, &step,
                       cold_input(count), cold_output(count));
    };
  });
  suite.add({"mean", shape, "", traffic(count)}, [=](const Exec& ex) {
    return [=, mean = 0.0f]() mutable { kernels::mean(ex, count, cold_input(count), &mean); };
  });
}

}  // namespace

void add_elementwise_rows(const Suite& suite) {
  add_image(suite, 1, 32, 16);
  add_image(suite, 128, 32, 16);
  add_image(suite, 128, 32, 23);
  add_image(suite, 16, 56, 256);
}

}  // namespace trifold::bench
