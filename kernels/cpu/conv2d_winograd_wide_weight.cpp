#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/winograd_tiles.h"

namespace trifold::kernels::cpu {
namespace {

/// Threads share the points, each with a part of dw's transform of its own, over large groups of
/// tiles: no partial sums are added up, and every weight is met once a group.
class WinogradWideWeightGradient : public WeightGradient {
 public:
  WinogradWideWeightGradient(const Correlation& s, Scratch& scratch)
      : s_(s),
        group_(WinogradGrid(s, v_row_ + z_row_).group_of(v_row_ + z_row_)),
        v_point_(odd_lines(group_ * v_row_)),
        z_point_(odd_lines(group_ * z_row_)),
        sums_(scratch.floats(winograd_points * (point_floats_ + v_point_ + z_point_))),
        v_(sums_ + winograd_points * point_floats_),
        z_(v_ + winograd_points * v_point_) {}

  void add(const Exec& ex, std::int64_t images, const Source& source, const float* dy) override {
    Correlation s = s_;
    s.n = images;
    const WinogradGrid grid(s, v_row_ + z_row_);
    for (std::int64_t first = 0; first < grid.tiles; first += group_) {
      const std::int64_t count = std::min(group_, grid.tiles - first);
      parallel(ex, count, [&](std::int64_t begin, std::int64_t end) {
        const WinogradTile tile(grid, first + begin);
        transform_patches(transforms_, s, grid, tile, end - begin, source, zeros_.data(), 0, s.c,
                          v_ + begin * v_row_, v_row_, v_point_);
        transform_gradients(transforms_, s, grid, tile, end - begin, dy, zeros_.data(),
                            z_ + begin * z_row_, z_row_, z_point_);
      });
      multiply(ex, count);
    }
  }

  void finish(const Exec& ex, float* dw) override {
    finish_weight_gradient(ex, transforms_, s_, sums_, 1, dw);
  }

 private:
  /// Adds up v^T z of `count` tiles, point by point.
  void multiply(const Exec& ex, std::int64_t count) {
    constexpr std::int64_t most_channels = 128;
    const std::int64_t slices = (s_.c + most_channels - 1) / most_channels;
    parallel(ex, winograd_points * slices, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t point = i / slices, c = i % slices * most_channels;
        const std::int64_t channels = std::min(most_channels, s_.c - c);
        float* const sums = sums_ + point * point_floats_ + c * filters_;
        if (first_) std::fill(sums, sums + channels * filters_, 0.0f);
        multiply(v_ + point * v_point_ + c, z_ + point * z_point_, count, channels, sums);
      }
    });
    first_ = false;
  }

  /// Enough tiles together to pay for loading and storing the sums of a register tile, few enough
  /// for theirs to stay in the level 1 cache.
  void multiply(const float* v, const float* z, std::int64_t count, std::int64_t channels,
                float* sums) const {
    constexpr std::int64_t together = 64;
    for (std::int64_t t = 0; t < count; t += together) {
      for (std::int64_t panel = 0; panel < panels_.count(); ++panel) {
        tiles_.weight({.x = v + t * v_row_,
                       .x_row = 0,
                       .x_pixel = v_row_,
                       .dy = z + t * z_row_ + panels_.begin(panel),
                       .dy_row = 0,
                       .dy_pixel = z_row_,
                       .rows = 1,
                       .pixels = std::min(together, count - t),
                       .run_length = channels,
                       .vectors = panels_.vectors(panel),
                       .dw = sums + panels_.begin(panel),
                       .dw_stride = filters_});
      }
    }
  }

  Correlation s_;
  Tiles tiles_ = cpu::tiles();
  WinogradTransforms transforms_ = winograd_transforms();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t filters_ = panels_.padded(), point_floats_ = s_.c * filters_;
  std::int64_t v_row_ = odd_lines(s_.c), z_row_ = odd_lines(filters_);
  std::vector<float> zeros_ =
      std::vector<float>(static_cast<std::size_t>(std::max(s_.c, filters_)), 0.0f);
  std::int64_t group_, v_point_, z_point_;
  float *sums_, *v_, *z_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<WeightGradient> winograd_wide_weight_gradient(const Correlation& s,
                                                              Scratch& scratch) {
  return std::make_unique<WinogradWideWeightGradient>(s, scratch);
}

}  // namespace trifold::kernels::cpu
