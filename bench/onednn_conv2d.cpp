#include "bench/onednn_conv2d.h"

#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace trifold::bench {
namespace {

using dnnl::memory;

memory filled(const memory::desc& layout, const dnnl::engine& engine) {
  memory m(layout, engine);
  auto* values = static_cast<float*>(m.get_data_handle());
  for (std::size_t i = 0; i < layout.get_size() / sizeof(float); ++i) values[i] = 0.5f;
  return m;
}

}  // namespace

std::function<void()> onednn_conv2d(Pass pass, const kernels::Conv2dShape& s, int threads) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const auto any = [](const memory::dims& dims) {
    return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
  };
  const memory::desc x = any({s.n, s.c, s.h, s.w}), w = any({s.k, s.c, s.r, s.s});
  const memory::desc y = any({s.n, s.k, s.p(), s.q()});
  const memory::dims strides{s.stride_h, s.stride_w}, pads{s.pad_h, s.pad_w};
  // It picks the blocking for the number of threads at this time.
  omp_set_num_threads(threads);

  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x, w, y, strides,
       pads, pads},
      engine);
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;
  switch (pass) {
    case Pass::forward:
      primitive = dnnl::convolution_forward(forward);
      arguments = {{DNNL_ARG_SRC, filled(forward.src_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, filled(forward.weights_desc(), engine)},
                   {DNNL_ARG_DST, filled(forward.dst_desc(), engine)}};
      break;
    case Pass::backward_data: {
      const dnnl::convolution_backward_data::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, x, w, y, strides, pads, pads}, engine, forward);
      primitive = dnnl::convolution_backward_data(backward);
      arguments = {{DNNL_ARG_DIFF_DST, filled(backward.diff_dst_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, filled(backward.weights_desc(), engine)},
                   {DNNL_ARG_DIFF_SRC, filled(backward.diff_src_desc(), engine)}};
      break;
    }
    case Pass::backward_weight: {
      const dnnl::convolution_backward_weights::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, x, w, y, strides, pads, pads}, engine, forward);
      primitive = dnnl::convolution_backward_weights(backward);
      arguments = {{DNNL_ARG_SRC, filled(backward.src_desc(), engine)},
                   {DNNL_ARG_DIFF_DST, filled(backward.diff_dst_desc(), engine)},
                   {DNNL_ARG_DIFF_WEIGHTS, filled(backward.diff_weights_desc(), engine)}};
      break;
    }
  }
  return [primitive, arguments, stream = dnnl::stream(engine), threads]() mutable {
    omp_set_num_threads(threads);
    primitive.execute(stream, arguments);
    stream.wait();
  };
}

}  // namespace trifold::bench
