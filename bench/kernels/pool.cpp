/// Pools in windows, and of whole images, what stands in their place, images as rows, and
/// what scales an image by its pool.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/channel_scale.h"
#include "kernels/flatten.h"
#include "kernels/pool.h"

namespace trifold::bench {
namespace {

using kernels::Exec;
using kernels::PoolShape;

struct Sizes {
  std::string shape;
  std::int64_t x, y;

  explicit Sizes(const PoolShape& s)
      : shape(fmt::format("{}_{}x{}s{}p{}", image_name(s.n, s.h, s.w, s.c), s.r, s.s, s.stride_h,
                          s.pad_h)),
        x(s.n * s.h * s.w * s.c),
        y(s.n * s.p() * s.q() * s.c) {}
};

void add_max_pool(const Suite& suite, const PoolShape& s) {
  const Sizes sizes(s);
  const std::int64_t in = sizes.x, out = sizes.y;
  using Winners = std::vector<std::int32_t>;
  suite.add({"max_pool_forward", sizes.shape, "", traffic(in + 2 * out)}, [=](const Exec& ex) {
    const auto argmax = std::make_shared<Winners>(static_cast<std::size_t>(out));
    return
        [=] { kernels::max_pool_forward(ex, s, cold_input(in), cold_output(out), argmax->data()); };
  });
  suite.add({"max_pool_backward", sizes.shape, "", traffic(in + 2 * out)}, [=](const Exec& ex) {
    const auto argmax = std::make_shared<Winners>(static_cast<std::size_t>(out));
    kernels::max_pool_forward(ex, s, cold_input(in), cold_output(out), argmax->data());
    return [=] {
      kernels::max_pool_backward(ex, s, cold_input(out), argmax->data(), cold_output(in));
    };
  });
}

void add_avg_pool(const Suite& suite, const PoolShape& s) {
  const Sizes sizes(s);
  const std::int64_t in = sizes.x, out = sizes.y;
  suite.add({"avg_pool_forward", sizes.shape, "", traffic(in + out)}, [=](const Exec& ex) {
    return [=] { kernels::avg_pool_forward(ex, s, cold_input(in), cold_output(out)); };
  });
  suite.add({"avg_pool_backward", sizes.shape, "", traffic(in + out)}, [=](const Exec& ex) {
    return [=] { kernels::avg_pool_backward(ex, s, cold_input(out), cold_output(in)); };
  });
}

void add_global_avg_pool(const Suite& suite, std::int64_t n, std::int64_t side, std::int64_t c) {
  const std::string shape = image_name(n, side, side, c);
  const std::int64_t pixels = side * side, in = n * pixels * c, out = n * c;
  suite.add({"global_avg_pool_forward", shape, "", traffic(in + out)}, [=](const Exec& ex) {
    return [=] {
      kernels::global_avg_pool_forward(ex, n, pixels, c, cold_input(in), cold_output(out));
    };
  });
  suite.add({"global_avg_pool_backward", shape, "", traffic(in + out)}, [=](const Exec& ex) {
    return [=] {
      kernels::global_avg_pool_backward(ex, n, pixels, c, cold_input(out), cold_output(in));
    };
  });
}

void add_channel_scale(const Suite& suite, const kernels::ChannelScaleShape& s, std::int64_t side) {
  const std::string shape = image_name(s.n, side, side, s.c);
  const std::int64_t count = s.n * s.pixels * s.c, rows = s.n * s.c;
  suite.add({"channel_scale", shape, "", traffic(2 * count + rows)}, [=](const Exec& ex) {
    return [=] {
      kernels::channel_scale(ex, s, cold_input(count), cold_input(rows), cold_output(count));
    };
  });
  suite.add({"channel_scale_gradient", shape, "", traffic(2 * count + rows)}, [=](const Exec& ex) {
    return [=] {
      kernels::channel_scale_gradient(ex, s, cold_input(count), cold_input(count),
                                      cold_output(rows));
    };
  });
}

void add_flatten(const Suite& suite, const kernels::FlattenShape& s, std::int64_t side) {
  const std::string shape = image_name(s.n, side, side, s.c);
  const std::int64_t count = s.n * s.pixels * s.c;
  suite.add({"flatten_forward", shape, "", traffic(2 * count)}, [=](const Exec& ex) {
    return [=] { kernels::flatten_forward(ex, s, cold_input(count), cold_output(count)); };
  });
  suite.add({"flatten_backward", shape, "", traffic(2 * count)}, [=](const Exec& ex) {
    return [=] { kernels::flatten_backward(ex, s, cold_input(count), cold_output(count)); };
  });
}

}  // namespace

void add_pool_rows(const Suite& suite) {
  for (const std::int64_t c : {64, 45}) add_max_pool(suite, {16, 112, 112, c, 3, 3, 2, 2, 1, 1});
  for (const std::int64_t c : {168, 45, 12}) add_avg_pool(suite, {128, 32, 32, c, 2, 2, 2, 2});
  for (const std::int64_t c : {64, 45, 456}) add_global_avg_pool(suite, 128, 8, c);
  add_global_avg_pool(suite, 16, 7, 2048);
  for (const std::int64_t c : {96, 45}) add_channel_scale(suite, {128, 28 * 28, c}, 28);
  add_channel_scale(suite, {128, 7 * 7, 1152}, 7);
  add_flatten(suite, {128, 7 * 7, 512}, 7);
}

}  // namespace trifold::bench
