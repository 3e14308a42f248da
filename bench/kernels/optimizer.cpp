/// Updates of parameters: of one large array, and of all of a network at once.
#include <string>
#include <vector>

#include "bench/kernels/arrays.h"
#include "bench/kernels/rows.h"
#include "kernels/optimizer.h"

namespace trifold::bench {
namespace {

using kernels::Exec;
using kernels::ParameterUpdate;

constexpr kernels::SgdParams sgd{
    .lr = 1e-3f, .momentum = 0.9f, .weight_decay = 5e-4f, .l1 = 0, .nesterov = true};

void add_single(const Suite& suite, std::int64_t count) {
  const std::string shape = std::to_string(count);
  suite.add({"sgd_step", shape, "", traffic(5 * count)}, [=](const Exec& ex) {
    return [=] {
      kernels::sgd_step(ex, count, sgd, cold_input(count), cold_output(count), cold_output(count));
    };
  });
  suite.add({"ema_update", shape, "", traffic(3 * count)}, [=](const Exec& ex) {
    return [=] { kernels::ema_update(ex, count, 0.999f, cold_input(count), cold_output(count)); };
  });
}

/// The sizes of a ResNet's parameters for small images: `blocks` a stage, and all batch norms.
std::vector<std::int64_t> resnet_parameters(std::int64_t blocks) {
  std::vector<std::int64_t> sizes = {3 * 16 * 9, 16, 16, 64 * 10, 10};
  for (std::int64_t stage = 0, in = 16; stage < 3; ++stage) {
    const std::int64_t width = 16 << stage;
    for (std::int64_t conv = 0; conv < 2 * blocks; ++conv, in = width) {
      sizes.insert(sizes.end(), {in * width * 9, width, width});
    }
  }
  return sizes;
}

/// The updates of as many copies of a network as no cache holds. Three arrays of each are updated,
/// small ones rounded up to cache lines.
std::vector<std::vector<ParameterUpdate>> copies(const std::vector<std::int64_t>& sizes,
                                                 std::int64_t count, bool averages) {
  std::vector<std::vector<ParameterUpdate>> steps(
      static_cast<std::size_t>(cold_floats / (4 * count)));
  for (std::vector<ParameterUpdate>& updates : steps) {
    for (const std::int64_t size : sizes) {
      updates.push_back({size, sgd, cold_input(size), cold_output(size), cold_output(size),
                         averages ? cold_output(size) : nullptr});
    }
  }
  return steps;
}

void add_network(const Suite& suite, const std::string& name, std::int64_t blocks) {
  const std::vector<std::int64_t> sizes = resnet_parameters(blocks);
  std::int64_t count = 0;
  for (const std::int64_t size : sizes) count += size;
  for (const bool averages : {false, true}) {
    suite.add({"update_parameters", name, averages ? "sgd_ema" : "sgd",
               traffic((averages ? 7 : 5) * count)},
              [=](const Exec& ex) {
                return [=, steps = copies(sizes, count, averages), turn = std::size_t{0},
                        lr = 1e-3f, decay = 0.999f]() mutable {
                  kernels::update_parameters(ex, steps[turn++ % steps.size()], &lr, &decay);
                };
              });
  }
}

}  // namespace

void add_optimizer_rows(const Suite& suite) {
  add_single(suite, 850'000);
  add_single(suite, 25'000'000);
  add_network(suite, "resnet20", 3);
  add_network(suite, "resnet56", 9);
}

}  // namespace trifold::bench
