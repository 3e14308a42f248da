/// What moves channels: the slices of a concatenation, and selections of channels.
#include <fmt/format.h>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/channel_gather.h"
#include "kernels/concat.h"

namespace trifold::bench {
namespace {

using kernels::ChannelSlice;
using kernels::Exec;
using kernels::Write;

/// One input of a concatenation of a DenseNet: `channels` of `wide`.
void add_slice(const Suite& suite, std::int64_t channels, std::int64_t wide) {
  const std::int64_t n = 128, side = 32, rows = n * side * side, offset = wide - channels;
  const std::int64_t narrow_size = rows * channels, wide_size = rows * wide;
  const std::string shape = fmt::format("{}of{}", image_name(n, side, side, channels), wide);
  suite.add({"copy_channels", shape, "concat", traffic(2 * narrow_size, 1)}, [=](const Exec& ex) {
    const ChannelSlice s{rows, channels, channels, 0, wide, offset};
    return [=] {
      kernels::copy_channels(ex, s, Write::overwrite, cold_input(narrow_size),
                             cold_output(wide_size));
    };
  });
  for (const Write write : {Write::overwrite, Write::accumulate}) {
    const bool adds = write == Write::accumulate;
    suite.add({"copy_channels", shape, adds ? "split_accumulate" : "split",
               traffic((adds ? 3 : 2) * narrow_size, adds ? 2 : 1)},
              [=](const Exec& ex) {
                const ChannelSlice s{rows, channels, wide, offset, channels, 0};
                return [=] {
                  kernels::copy_channels(ex, s, write, cold_input(wide_size),
                                         cold_output(narrow_size));
                };
              });
  }
}

void add_gather(const Suite& suite, const kernels::ChannelGatherShape& s,
                const std::vector<std::int32_t>& source, const std::string& variant,
                std::int64_t selected) {
  const std::string shape = fmt::format("{}_k{}s{}", image_name(s.n, s.h, s.w, s.c), s.k, s.stride);
  const std::int64_t x_size = s.n * s.h * s.w * s.c, pixels = s.n * s.p() * s.q();
  const std::int64_t y_size = pixels * s.k, read = pixels * selected;
  suite.add({"channel_gather_forward", shape, variant, traffic(read + y_size)},
            [=](const Exec& ex) {
              return [=] {
                kernels::channel_gather_forward(ex, s, cold_input(x_size), source.data(),
                                                cold_output(y_size));
              };
            });
  suite.add({"channel_gather_backward", shape, variant, traffic(read + x_size)},
            [=](const Exec& ex) {
              return [=] {
                kernels::channel_gather_backward(ex, s, cold_input(y_size), source.data(),
                                                 cold_output(x_size));
              };
            });
}

/// Half of a DenseNet's channels, in runs of `run` that lie `run` apart.
void add_runs(const Suite& suite, std::int32_t run) {
  std::vector<std::int32_t> source;
  for (std::int32_t j = 0; j < 168; ++j) {
    if (j / run % 2 == 0) source.push_back(j);
  }
  const auto k = static_cast<std::int64_t>(source.size());
  add_gather(suite, {32, 32, 32, 168, k, 1}, source, fmt::format("runs_of_{}", run), k);
}

/// A ResNet's shortcut of option A: every second pixel, the channels in the middle of zeros.
void add_shortcut(const Suite& suite) {
  std::vector<std::int32_t> source(32, -1);
  for (std::int32_t j = 0; j < 16; ++j) source[static_cast<std::size_t>(8 + j)] = j;
  add_gather(suite, {128, 32, 32, 16, 32, 2}, source, "shortcut", 16);
}

}  // namespace

void add_channel_rows(const Suite& suite) {
  for (const std::int64_t channels : {12, 23, 144}) add_slice(suite, channels, 168);
  for (const std::int32_t run : {1, 3, 12}) add_runs(suite, run);
  add_shortcut(suite);
}

}  // namespace trifold::bench
