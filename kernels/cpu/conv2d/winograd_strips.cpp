#include "kernels/cpu/conv2d/winograd_strips.h"

#include <algorithm>

namespace trifold::kernels::cpu {
namespace {

/// Rows [row, row + count) and columns from `column` on of an image, with what of them it has.
StripInput strip_input(const float* image, std::int64_t height, std::int64_t width,
                       std::int64_t pixel, std::int64_t row, std::int64_t column,
                       std::int64_t count, std::int64_t columns) {
  StripInput input{};
  input.pixel = pixel;
  input.columns = columns;
  input.begin = std::clamp<std::int64_t>(-column, 0, columns);
  input.end = std::clamp<std::int64_t>(width - column, input.begin, columns);
  for (std::int64_t i = 0; i < count; ++i) {
    if (row + i < 0 || row + i >= height) continue;
    input.rows[i] = image + ((row + i) * width + column + input.begin) * pixel;
  }
  return input;
}

}  // namespace

WinogradStrips::WinogradStrips(const Correlation& s) : s_(s) {
  // A strip's rows stay in a level 2 cache: six of 66 pixels and 64 channels are 99 KiB.
  constexpr std::int64_t most_tiles = 16;
  const std::int64_t columns = (s.q + winograd_tile - 1) / winograd_tile;
  const std::int64_t least_parts = (columns + most_tiles - 1) / most_tiles;
  tiles_ = (columns + least_parts - 1) / least_parts;
  parts_ = (columns + tiles_ - 1) / tiles_;
  image_strips_ = (s.p + winograd_tile - 1) / winograd_tile * parts_;
}

WinogradStrips::Place WinogradStrips::place(std::int64_t strip) const {
  const std::int64_t in_image = strip % image_strips_;
  return {.image = strip / image_strips_,
          .row = in_image / parts_ * winograd_tile,
          .column = in_image % parts_ * tiles_ * winograd_tile};
}

StripInput WinogradStrips::patches(std::int64_t strip, const float* x, std::int64_t pitch) const {
  const Place at = place(strip);
  return strip_input(x + at.image * s_.h * s_.w * pitch, s_.h, s_.w, pitch, at.row - s_.pad_top,
                     at.column - s_.pad_left, winograd_patch, tiles_ * winograd_tile + 2);
}

StripInput WinogradStrips::gradients(std::int64_t strip, const float* dy) const {
  const Place at = place(strip);
  return strip_input(dy + at.image * s_.p * s_.q * s_.k, s_.p, s_.q, s_.k, at.row, at.column,
                     winograd_tile, tiles_ * winograd_tile);
}

StripOutput WinogradStrips::outputs(std::int64_t strip, const float* bias, const float* addend,
                                    bool relu, float* y) const {
  const Place at = place(strip);
  StripOutput output{};
  output.count = std::min(winograd_tile, s_.p - at.row);
  output.columns = std::min(tiles_ * winograd_tile, s_.q - at.column);
  output.pixel = s_.y_pixel;
  output.bias = bias;
  output.relu = relu;
  for (std::int64_t i = 0; i < output.count; ++i) {
    const std::int64_t offset =
        at.image * s_.y_image + (at.row + i) * s_.y_row + at.column * s_.y_pixel;
    output.rows[i] = y + offset;
    if (addend != nullptr) output.addends[i] = addend + offset;
  }
  return output;
}

std::int64_t WinogradStrips::cache_block(std::int64_t tile_floats, std::int64_t most_tiles) const {
  constexpr std::int64_t cache_floats = 3 << 15;  // 384 KiB: the weights need the rest of 1 MiB
  const std::int64_t fitting =
      std::min(most_tiles, cache_floats / (winograd_components * tile_floats));
  const std::int64_t most = std::max<std::int64_t>(1, fitting / tiles_);
  // Eight blocks at least, where there are as many strips, so that as many threads have one.
  return s_.one_thread ? std::min(most, count()) : std::clamp<std::int64_t>(count() / 8, 1, most);
}

std::int64_t WinogradStrips::shared_block(std::int64_t tile_floats) const {
  // 16 MiB, half of a level 3 cache of 32; and as many tiles as repay a look at all weights.
  constexpr std::int64_t cache_floats = 1 << 22, least_tiles = 64;
  const std::int64_t fitting =
      std::max(least_tiles, cache_floats / (winograd_components * tile_floats));
  return std::clamp<std::int64_t>(fitting / tiles_, 1, count());
}

void transform_patch_columns(const WinogradTransforms& transforms,
                             std::span<const StripInput> patches, const InputNorm* norm,
                             std::int64_t c, std::int64_t channels, std::int64_t all,
                             const StripRows& h) {
  for (std::size_t strip = 0; strip < patches.size(); ++strip) {
    for (std::int64_t i = 0; i * h.lanes < channels; ++i) {
      transforms.patch_columns(patches[strip], norm, c + i * h.lanes, all,
                               h(i, static_cast<std::int64_t>(strip)), h.row());
    }
  }
}

void transform_patch_rows(const WinogradTransforms& transforms, const StripRows& h, std::int64_t i,
                          std::int64_t strips, std::int64_t tiles, std::int64_t vectors,
                          const StripComponents& v) {
  for (std::int64_t j = 0; j < vectors; ++j) {
    for (std::int64_t strip = 0; strip < strips; ++strip) {
      transforms.patch_rows(h(j, strip, i), tiles, v(0, j, strip * tiles), v.component());
    }
  }
}

void multiply_components(const RegisterTiles& tiles, const Panels& panels, const StripComponents& v,
                         const StripComponents& z, std::int64_t component, const TileRange& range,
                         std::int64_t channels, bool add, float* sums) {
  const std::int64_t lanes = tiles.lanes;
  for (std::int64_t c = 0; c < channels; c += lanes) {
    for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
      tiles.weight({.x = v(component, c / lanes, range.begin),
                    .x_row = 0,
                    .x_pixel = lanes,
                    .dy = z(component, 2 * panel, range.begin),
                    .dy_row = 0,
                    .dy_pixel = lanes,
                    .dy_vector = z.vector(),
                    .rows = 1,
                    .pixels = range.end - range.begin,
                    .run_length = std::min(lanes, channels - c),
                    .vectors = panels.vectors(panel),
                    .dw = sums + c * panels.padded() + panels.begin(panel),
                    .dw_stride = panels.padded(),
                    .add = add});
    }
  }
}

void finish_weight_gradient(const Exec& ex, const WinogradTransforms& transforms,
                            const Correlation& s, const float* sums, std::int64_t parts,
                            float* dw) {
  const std::int64_t lanes = transforms.lanes, filters = Panels{s.k, lanes}.padded();
  const std::int64_t component = s.c * filters, part = winograd_components * component;
  parallel(ex, s.c, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      for (std::int64_t f = 0; f < s.k; f += lanes) {
        transforms.weight_gradient(sums + c * filters + f, component, parts, part, s.k - f,
                                   dw + c * s.k + f, s.c * s.k);
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
