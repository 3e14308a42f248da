#include "kernels/cpu/conv2d/panels.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {
namespace {

/// About twenty register tiles of 12 pixels, so that the last one, which may be smaller, costs little;
/// and 256 KiB of padded input, half of a small level 2 cache.
constexpr std::int64_t kBandPixels = 256;
constexpr std::int64_t kBandFloats = 1 << 16;

/// From this many channels on, a window's weights are worked in parts of half as many: those of 128
/// channels and a panel of two vectors are 16 KiB, half of a level 1 cache.
constexpr std::int64_t kWideChannels = 256;

/// The panel in parts of its terms, which add up in y: a part's weights stay in the level 1 cache
/// while all pixels pass.
void output_in_parts(const RegisterTiles& tiles, const Correlation& s, const Band& band,
                     OutputPanel panel) {
  constexpr std::int64_t most_terms = kWideChannels / 2;
  const std::vector<float> zeros(static_cast<std::size_t>(2 * tiles.lanes), 0.0f);
  const bool relu = panel.relu;
  panel.runs = 1;
  for (std::int64_t tap = 0; tap < s.r * s.s; ++tap) {
    const float* const x = band.x + tap / s.s * band.row + tap % s.s * band.pixel;
    for (std::int64_t c = 0; c < s.c; c += most_terms) {
      panel.x = x + c;
      panel.run_length = std::min(most_terms, s.c - c);
      panel.relu = relu && tap + 1 == s.r * s.s && c + most_terms >= s.c;
      tiles.output(panel);
      panel.w += panel.run_length * panel.vectors * tiles.lanes;
      panel.addend = panel.y;
      panel.b = zeros.data();
    }
  }
}

/// Where windows are single pixels, so that they meet no edges, images that follow each other are one
/// high image, whose bands are as large as any: each goes through all weights.
Correlation joined_images(Correlation s) {
  const bool pointwise = s.r == 1 && s.s == 1 && s.stride_h == 1 && s.pad_top == 0;
  if (pointwise && s.p == s.h && s.y_image == s.p * s.y_row) {
    s.h *= s.n;
    s.p *= s.n;
    s.y_image *= s.n;
    s.n = 1;
  }
  return s;
}

/// Into how many shares of panels a band is cut, where there are too few bands to keep the threads
/// busy: of one image of a deep layer there is one.
std::int64_t shares_of_band(const Exec& ex, std::int64_t bands, const Panels& panels) {
  const std::int64_t threads = ex.pool != nullptr ? ex.pool->threads() : 1;
  if (threads == 1 || bands >= 2 * threads) return 1;
  return std::min(panels.count(), (2 * threads + bands - 1) / bands);
}

}  // namespace

std::int64_t band_rows(const Correlation& s) {
  const std::int64_t row_floats = ((s.q - 1) * s.stride_w + s.s) * s.c * s.stride_h;
  const std::int64_t rows =
      std::min((kBandPixels + s.q - 1) / s.q, std::max<std::int64_t>(1, kBandFloats / row_floats));
  const std::int64_t bands = (s.p + rows - 1) / rows;
  return (s.p + bands - 1) / bands;
}

Band padded_band(const Correlation& s, const Operand& operand, std::int64_t image_index,
                 std::int64_t first_row, std::int64_t rows, std::int64_t pixel) {
  const std::int64_t pitch = operand.pitch;
  const float* const image = operand.x + image_index * s.h * s.w * pitch;
  const std::int64_t top = first_row * s.stride_h - s.pad_top;
  const std::int64_t height = (rows - 1) * s.stride_h + s.r;
  const std::int64_t left = -s.pad_left;
  const std::int64_t width = (s.q - 1) * s.stride_w + s.s;
  const bool whole = top >= 0 && top + height <= s.h && left >= 0 && left + width <= s.w;
  if (whole && operand.norm == nullptr && pixel == pitch) {
    return {image + (top * s.w + left) * pitch, s.w * pitch, pitch};
  }

  thread_local Scratch scratch;
  float* band = scratch.floats(height * width * pixel);
  const PixelPasses passes = pixel_passes();
  const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(s.w - left, begin, width);
  const auto copy = [&](const float* from, std::int64_t count, float* to) {
    const bool dense = pixel == s.c && (operand.norm != nullptr || pitch == s.c);
    const std::int64_t together = dense ? count : 1;
    for (std::int64_t j = 0; j < count; j += together) {
      if (operand.norm != nullptr) {
        passes.normalise(*operand.norm, s.c, together, from + j * pitch, pitch, to + j * pixel);
      } else {
        std::copy(from + j * pitch, from + j * pitch + together * s.c, to + j * pixel);
      }
    }
  };
  for (std::int64_t i = 0; i < height; ++i) {
    float* to = band + i * width * pixel;
    const bool inside = top + i >= 0 && top + i < s.h && end > begin;
    const std::int64_t from = inside ? begin : width, until = inside ? end : width;
    std::fill(to, to + from * pixel, 0.0f);
    if (inside) {
      const float* row = image + ((top + i) * s.w + left + begin) * pitch;
      copy(row, until - from, to + from * pixel);
    }
    std::fill(to + until * pixel, to + width * pixel, 0.0f);
  }
  return {band, width * pixel, pixel};
}

void correlate(const Exec& ex, const RegisterTiles& tiles, const Correlation& correlation,
               const Operand& operand, const float* packed, const Epilogue& epilogue, float* y) {
  const Correlation s = joined_images(correlation);
  const Panels panels{s.k, tiles.lanes};
  std::vector<float> bias(static_cast<std::size_t>(panels.padded()), 0.0f);
  if (epilogue.b != nullptr) std::copy(epilogue.b, epilogue.b + s.k, bias.begin());
  const std::int64_t rows_a_band = band_rows(s);
  const std::int64_t image_bands = (s.p + rows_a_band - 1) / rows_a_band;
  const std::int64_t bands = s.n * image_bands;
  const std::int64_t shares = epilogue.parts == nullptr ? shares_of_band(ex, bands, panels) : 1;
  const bool wide = s.c >= kWideChannels;
  const std::int64_t pixel = wide ? odd_lines(s.c) : s.c;
  if (epilogue.parts != nullptr) epilogue.parts->start(bands);

  parallel(ex, bands * shares, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> x_offset, y_offset;
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t index = task / shares, share = task % shares;
      const std::int64_t image = index / image_bands, first = index % image_bands * rows_a_band;
      const std::int64_t rows = std::min(rows_a_band, s.p - first);
      const Band band = padded_band(s, operand, image, first, rows, pixel);
      x_offset.clear();
      y_offset.clear();
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < s.q; ++j) {
          x_offset.push_back(i * s.stride_h * band.row + j * s.stride_w * band.pixel);
          y_offset.push_back(i * s.y_row + j * s.y_pixel);
        }
      const std::int64_t y_band = image * s.y_image + first * s.y_row;
      const std::int64_t last_panel = panels.count() * (share + 1) / shares;
      for (std::int64_t panel = panels.count() * share / shares; panel < last_panel; ++panel) {
        const std::int64_t f = panels.begin(panel);
        const OutputPanel part{.x = band.x,
                               .x_offset = x_offset.data(),
                               .runs = s.r,
                               .run_length = s.s * s.c,
                               .run_stride = band.row,
                               .w = packed + f * s.r * s.s * s.c,
                               .b = bias.data() + f,
                               .y = y + y_band + f,
                               .y_offset = y_offset.data(),
                               .pixels = rows * s.q,
                               .vectors = panels.vectors(panel),
                               .filters = s.k - f,
                               .addend = epilogue.addend ? epilogue.addend + y_band + f : nullptr,
                               .relu = epilogue.relu};
        if (wide) {
          output_in_parts(tiles, s, band, part);
        } else {
          tiles.output(part);
        }
      }
      if (epilogue.parts != nullptr) {
        epilogue.parts->apply(index, y + y_band, {y_offset.data(), rows * s.q});
      }
    }
  });
}

}  // namespace trifold::kernels::cpu
