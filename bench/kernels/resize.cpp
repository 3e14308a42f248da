/// Resizing of images and of activations, smaller and larger.
#include <fmt/format.h>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/resize.h"

namespace trifold::bench {
namespace {

using kernels::Exec;
using kernels::ResizeFilter;

void add_resize(const Suite& suite, std::int64_t n, std::int64_t from, std::int64_t to,
                std::int64_t c) {
  const kernels::ResizeShape s{n, from, from, to, to, c};
  const std::string shape = fmt::format("{}_to_{}x{}", image_name(n, from, from, c), to, to);
  const std::int64_t in = n * from * from * c, out = n * to * to * c;
  for (const ResizeFilter filter : {ResizeFilter::plain, ResizeFilter::antialias}) {
    const char* const variant = filter == ResizeFilter::plain ? "plain" : "antialias";
    suite.add({"resize_forward", shape, variant, traffic(in + out)}, [=](const Exec& ex) {
      return [=] { kernels::resize_forward(ex, s, filter, cold_input(in), cold_output(out)); };
    });
    suite.add({"resize_backward", shape, variant, traffic(in + out)}, [=](const Exec& ex) {
      return [=] { kernels::resize_backward(ex, s, filter, cold_input(out), cold_output(in)); };
    });
  }
}

}  // namespace

void add_resize_rows(const Suite& suite) {
  add_resize(suite, 128, 32, 24, 3);
  add_resize(suite, 128, 24, 32, 3);
  add_resize(suite, 128, 32, 24, 64);
  add_resize(suite, 32, 224, 192, 3);
}

}  // namespace trifold::bench
