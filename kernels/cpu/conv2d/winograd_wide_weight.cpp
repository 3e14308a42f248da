#include <algorithm>

#include "kernels/cpu/conv2d/winograd.h"
#include "kernels/cpu/conv2d/winograd_strips.h"

namespace trifold::kernels::cpu {
namespace {

/// Threads share the components, each with a part of dw's transform of its own, over large blocks
/// of strips: no partial sums are added up, and every weight is met once a block.
class WinogradWideWeightGradient : public WeightGradient {
 public:
  WinogradWideWeightGradient(const Correlation& s, Scratch& scratch) : s_(s) {
    const WinogradStrips strips(s);
    block_ = strips.shared_block(s.c + filters_);
    v_ = {nullptr, block_ * strips.tiles(), round_up(s.c, lanes_) / lanes_, lanes_};
    z_ = {nullptr, block_ * strips.tiles(), filters_ / lanes_, lanes_};
    sums_ = scratch.floats(winograd_components * component_floats_ +
                           v_.floats(winograd_components) + z_.floats(winograd_components));
    v_.at = sums_ + winograd_components * component_floats_;
    z_.at = v_.at + v_.floats(winograd_components);
  }

  void add(const Exec& ex, std::int64_t images, const Operand& operand, const OutputGradient& dy,
           float* stored_dy) override {
    Correlation s = s_;
    s.n = images;
    const WinogradStrips strips(s);
    for (std::int64_t first = 0; first < strips.count(); first += block_) {
      const std::int64_t count = std::min(block_, strips.count() - first);
      const std::int64_t vectors = v_.vectors + z_.vectors;
      parallel(ex, count * vectors, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t task = begin; task < end; ++task) {
          transform(strips, first, task / vectors, task % vectors, operand, dy, stored_dy);
        }
      });
      multiply(ex, count * strips.tiles());
    }
  }

  void finish(const Exec& ex, float* dw) override {
    finish_weight_gradient(ex, transforms_, s_, sums_, 1, dw);
  }

 private:
  /// One vector, of channels and then of filters, of a strip.
  void transform(const WinogradStrips& strips, std::int64_t first, std::int64_t strip,
                 std::int64_t vector, const Operand& operand, const OutputGradient& dy,
                 float* stored_dy) const {
    thread_local Scratch scratch;
    const std::int64_t tiles = strips.tiles(), f = vector - v_.vectors;
    StripRows h{nullptr, 1, winograd_tile * tiles + 2, lanes_};
    h.at = scratch.floats(h.floats(1));
    if (f < 0) {
      transforms_.patch_columns(strips.patches(first + strip, operand.x, operand.pitch),
                                operand.norm, vector * lanes_, s_.c, h(0, 0), h.row());
    } else {
      transforms_.gradient_columns(strips.gradients(first + strip, dy.g), dy, stored_dy, f * lanes_,
                                   s_.k, h(0, 0), h.row());
    }
    for (std::int64_t i = 0; i < winograd_patch; ++i) {
      const std::int64_t component = winograd_patch * i, tile = strip * tiles;
      if (f < 0) {
        transforms_.patch_rows(h(0, 0, i), tiles, v_(component, vector, tile), v_.component());
      } else {
        transforms_.gradient_rows(h(0, 0, i), tiles, z_(component, f, tile), z_.component());
      }
    }
  }

  /// Adds up v^T z of `count` tiles, component by component: enough of them together to pay for
  /// loading and storing the sums of a register tile, few enough to stay in the level 1 cache.
  void multiply(const Exec& ex, std::int64_t count) {
    constexpr std::int64_t together = 64;
    parallel(ex, winograd_components, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t component = begin; component < end; ++component) {
        float* const sums = sums_ + component * component_floats_;
        for (std::int64_t t = 0; t < count; t += together) {
          multiply_components(tiles_, panels_, v_, z_, component,
                              {t, std::min(t + together, count)}, s_.c, t > 0 || !first_, sums);
        }
      }
    });
    first_ = false;
  }

  Correlation s_;
  RegisterTiles tiles_ = cpu::register_tiles();
  WinogradTransforms transforms_ = winograd_transforms();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t lanes_ = tiles_.lanes, filters_ = panels_.padded();
  std::int64_t component_floats_ = s_.c * filters_;
  std::int64_t block_ = 0;
  StripComponents v_{}, z_{};
  float* sums_ = nullptr;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<WeightGradient> winograd_wide_weight_gradient(const Correlation& s,
                                                              Scratch& scratch) {
  return std::make_unique<WinogradWideWeightGradient>(s, scratch);
}

}  // namespace trifold::kernels::cpu
