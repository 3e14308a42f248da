#include "kernels/cpu/winograd_tiles.h"

#include <array>

namespace trifold::kernels::cpu {

void transform_patches(const WinogradTransforms& transforms, const Correlation& s,
                       const WinogradGrid& grid, WinogradTile tile, std::int64_t count,
                       const Source& source, const float* zeros, std::int64_t begin,
                       std::int64_t end, float* v, std::int64_t v_row, std::int64_t v_point) {
  const std::int64_t pitch = source.pitch;
  std::array<std::array<const float*, winograd_points>, 2> pixels;
  const auto locate = [&](std::int64_t t) {
    square<winograd_patch>(source.x + tile.image * s.h * s.w * pitch, s.h, s.w, s.w * pitch, pitch,
                           tile.row - s.pad_top, tile.column - s.pad_left, zeros,
                           pixels[static_cast<std::size_t>(t % 2)].data());
    tile.advance(grid);
  };
  // While a patch is worked, the pixels of the next are on their way to the cache.
  locate(0);
  for (std::int64_t t = 0; t < count; ++t) {
    if (t + 1 < count) {
      locate(t + 1);
      for (const float* p : pixels[static_cast<std::size_t>((t + 1) % 2)]) {
        __builtin_prefetch(p + begin);
      }
    }
    const float* const* patch = pixels[static_cast<std::size_t>(t % 2)].data();
    if (source.norm != nullptr) {
      transforms.normalised_input(*source.norm, patch, zeros, begin, end, v + t * v_row, v_point);
    } else {
      transforms.input(patch, begin, end, v + t * v_row, v_point);
    }
  }
}

void transform_gradients(const WinogradTransforms& transforms, const Correlation& s,
                         const WinogradGrid& grid, WinogradTile tile, std::int64_t count,
                         const float* dy, const float* zeros, float* z, std::int64_t z_row,
                         std::int64_t z_point) {
  std::array<const float*, winograd_tile * winograd_tile> pixels;
  for (std::int64_t t = 0; t < count; ++t, tile.advance(grid)) {
    square<winograd_tile>(dy + tile.image * s.y_image, s.p, s.q, s.y_row, s.y_pixel, tile.row,
                          tile.column, zeros, pixels.data());
    transforms.output_gradient(pixels.data(), s.k, z + t * z_row, z_point);
  }
}

void finish_weight_gradient(const Exec& ex, const WinogradTransforms& transforms,
                            const Correlation& s, const float* sums, std::int64_t parts,
                            float* dw) {
  const std::int64_t lanes = transforms.lanes, filters = Panels{s.k, lanes}.padded();
  const std::int64_t point = s.c * filters, part = winograd_points * point;
  parallel(ex, s.c, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      for (std::int64_t f = 0; f < s.k; f += lanes) {
        transforms.weight_gradient(sums + c * filters + f, point, parts, part, s.k - f,
                                   dw + c * s.k + f, s.c * s.k);
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
