#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/winograd_tiles.h"

namespace trifold::kernels::cpu {
namespace {

/// Blocks of tiles are added up in parts: by the shape alone, enough to share, few enough for their
/// sum to be cheap.
std::int64_t parts_of(std::int64_t blocks, std::int64_t partial_floats) {
  constexpr std::int64_t most_parts = 16, most_floats = 1 << 20;
  return std::min({blocks, most_parts, std::max<std::int64_t>(2, most_floats / partial_floats)});
}

class WinogradWeightGradient : public WeightGradient {
 public:
  WinogradWeightGradient(const Correlation& s, Scratch& scratch)
      : s_(s),
        partial_floats_(winograd_points * point_floats_),
        parts_(parts_of(WinogradGrid(s, most_channels_ + filters_).blocks(), partial_floats_)),
        partials_(scratch.floats(parts_ * partial_floats_)) {}

  void add(const Exec& ex, std::int64_t images, const Source& source, const float* dy) override {
    Correlation s = s_;
    s.n = images;
    const WinogradGrid grid(s, most_channels_ + filters_);
    const std::int64_t blocks = grid.blocks();
    parallel(ex, parts_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        float* const partial = partials_ + part * partial_floats_;
        if (first_) std::fill(partial, partial + partial_floats_, 0.0f);
        for (std::int64_t block = blocks * part / parts_; block < blocks * (part + 1) / parts_;
             ++block) {
          add_block(s, grid, block, source, dy, partial);
        }
      }
    });
    first_ = false;
  }

  void finish(const Exec& ex, float* dw) override {
    finish_weight_gradient(ex, transforms_, s_, partials_, parts_, dw);
  }

 private:
  void add_block(const Correlation& s, const WinogradGrid& grid, std::int64_t block,
                 const Source& source, const float* dy, float* partial) const {
    const std::int64_t v_point = odd_lines(grid.block * most_channels_);
    const std::int64_t z_point = odd_lines(grid.block * filters_);
    thread_local Scratch scratch;
    float* const v = scratch.floats(winograd_points * (v_point + z_point));
    float* const z = v + winograd_points * v_point;
    const std::int64_t first = block * grid.block;
    const std::int64_t count = std::min(grid.block, grid.tiles - first);
    transform_gradients(transforms_, s, grid, WinogradTile(grid, first), count, dy, zeros_.data(),
                        z, filters_, z_point);
    for (std::int64_t c = 0; c < s.c; c += most_channels_) {
      const std::int64_t channels = std::min(most_channels_, s.c - c);
      transform_patches(transforms_, s, grid, WinogradTile(grid, first), count, source,
                        zeros_.data(), c, c + channels, v, most_channels_, v_point);
      for (std::int64_t point = 0; point < winograd_points; ++point) {
        for (std::int64_t panel = 0; panel < panels_.count(); ++panel) {
          const std::int64_t f = panels_.begin(panel);
          tiles_.weight({.x = v + point * v_point,
                         .x_row = 0,
                         .x_pixel = most_channels_,
                         .dy = z + point * z_point + f,
                         .dy_row = 0,
                         .dy_pixel = filters_,
                         .rows = 1,
                         .pixels = count,
                         .run_length = channels,
                         .vectors = panels_.vectors(panel),
                         .dw = partial + point * point_floats_ + c * filters_ + f,
                         .dw_stride = filters_});
        }
      }
    }
  }

  Correlation s_;
  Tiles tiles_ = cpu::tiles();
  WinogradTransforms transforms_ = winograd_transforms();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t filters_ = panels_.padded(), point_floats_ = s_.c * filters_;
  std::int64_t most_channels_ = std::min(kWinogradChannels, round_up(s_.c, tiles_.lanes));
  std::vector<float> zeros_ =
      std::vector<float>(static_cast<std::size_t>(std::max(s_.c, filters_)), 0.0f);
  std::int64_t partial_floats_, parts_;
  float* partials_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<WeightGradient> winograd_weight_gradient(const Correlation& s, Scratch& scratch) {
  if (winograd_weight_floats(s.c, s.k) > kWinogradWideFloats) {
    return winograd_wide_weight_gradient(s, scratch);
  }
  return std::make_unique<WinogradWeightGradient>(s, scratch);
}

}  // namespace trifold::kernels::cpu
