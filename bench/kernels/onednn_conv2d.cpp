#include "bench/kernels/onednn_conv2d.h"

#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

namespace trifold::bench {
namespace {

using dnnl::memory;
using kernels::Conv2dShape;

// An array in this project's layout, described to oneDNN.
struct Plain {
  memory::dims dims;
  memory::format_tag tag;

  memory::desc as(memory::format_tag layout) const {
    return {dims, memory::data_type::f32, layout};
  }
  memory::desc any() const { return as(memory::format_tag::any); }
  memory over(const float* values, const dnnl::engine& engine) const {
    // oneDNN's memory is never const; a reorder only reads its source.
    return {as(tag), engine, const_cast<float*>(values)};
  }
};

memory reordered(const Plain& plain, const float* values, const memory::desc& layout,
                 const dnnl::engine& engine) {
  memory source = plain.over(values, engine), target(layout, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return target;
}

}  // namespace

OneDnnConv2d onednn_conv2d(Pass pass, const Conv2dShape& s, int threads, const float* first,
                           const float* second) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const Plain x{{s.n, s.c, s.h, s.w}, memory::format_tag::nhwc};
  const Plain w{{s.k, s.c, s.r, s.s}, memory::format_tag::hwio};
  const Plain y{{s.n, s.k, s.p(), s.q()}, memory::format_tag::nhwc};
  const memory::dims strides{s.stride_h, s.stride_w}, pads{s.pad_h, s.pad_w};
  // It picks the blocking for the number of threads at this time.
  omp_set_num_threads(threads);

  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x.any(), w.any(),
       y.any(), strides, pads, pads},
      engine);
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;
  memory result;
  Plain result_layout = y;
  switch (pass) {
    case Pass::forward:
      primitive = dnnl::convolution_forward(forward);
      result = memory(forward.dst_desc(), engine);
      arguments = {{DNNL_ARG_SRC, reordered(x, first, forward.src_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, reordered(w, second, forward.weights_desc(), engine)},
                   {DNNL_ARG_DST, result}};
      break;
    case Pass::backward_data: {
      const dnnl::convolution_backward_data::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, x.any(), w.any(), y.any(), strides, pads, pads},
          engine, forward);
      primitive = dnnl::convolution_backward_data(backward);
      result = memory(backward.diff_src_desc(), engine);
      result_layout = x;
      arguments = {{DNNL_ARG_DIFF_DST, reordered(y, first, backward.diff_dst_desc(), engine)},
                   {DNNL_ARG_WEIGHTS, reordered(w, second, backward.weights_desc(), engine)},
                   {DNNL_ARG_DIFF_SRC, result}};
      break;
    }
    case Pass::backward_weight: {
      const dnnl::convolution_backward_weights::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, x.any(), w.any(), y.any(), strides, pads, pads},
          engine, forward);
      primitive = dnnl::convolution_backward_weights(backward);
      result = memory(backward.diff_weights_desc(), engine);
      result_layout = w;
      arguments = {{DNNL_ARG_SRC, reordered(x, first, backward.src_desc(), engine)},
                   {DNNL_ARG_DIFF_DST, reordered(y, second, backward.diff_dst_desc(), engine)},
                   {DNNL_ARG_DIFF_WEIGHTS, result}};
      break;
    }
  }
  OneDnnConv2d call;
  call.run = [primitive, arguments, stream = dnnl::stream(engine), threads]() mutable {
    omp_set_num_threads(threads);
    primitive.execute(stream, arguments);
    stream.wait();
  };
  call.result = [result, result_layout, engine, size = result_size(s, pass)]() mutable {
    std::vector<float> values(static_cast<std::size_t>(size));
    memory target = result_layout.over(values.data(), engine);
    dnnl::stream stream(engine);
    dnnl::reorder(result, target).execute(stream, result, target);
    stream.wait();
    return values;
  };
  return call;
}

}  // namespace trifold::bench
