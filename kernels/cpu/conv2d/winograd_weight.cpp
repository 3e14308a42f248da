#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d/prefetch_queue.h"
#include "kernels/cpu/conv2d/winograd.h"
#include "kernels/cpu/conv2d/winograd_strips.h"

namespace trifold::kernels::cpu {
namespace {

/// Cache blocks of strips are added up in parts: by the shape alone, enough to share, few enough
/// for their sum to be cheap: it reads 5 MiB at most where there are more than two.
std::int64_t parts_of(std::int64_t blocks, std::int64_t partial_floats) {
  constexpr std::int64_t most_parts = 16, least_parts = 2, most_floats = 5 << 18;
  std::int64_t parts = most_parts;
  while (parts > least_parts && parts * partial_floats > most_floats) parts /= 2;
  return std::min(blocks, parts);
}

class WinogradWeightGradient : public WeightGradient {
 public:
  WinogradWeightGradient(const Correlation& s, Scratch& scratch)
      : s_(s),
        block_(WinogradStrips(s).cache_block(channels_ + filters_, 32)),
        parts_(s.one_thread
                   ? 1
                   : parts_of(blocks(WinogradStrips(s)), winograd_components * component_floats_)),
        partials_(scratch.floats(parts_ * winograd_components * component_floats_)) {}

  void add(const Exec& ex, std::int64_t images, const Operand& operand, const OutputGradient& dy,
           float* stored_dy) override {
    Correlation s = s_;
    s.n = images;
    const WinogradStrips strips(s);
    parallel(ex, parts_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        float* const partial = partials_ + part * winograd_components * component_floats_;
        const std::int64_t first = blocks(strips) * part / parts_ * block_;
        const std::int64_t last =
            std::min(blocks(strips) * (part + 1) / parts_ * block_, strips.count());
        if (first_ && first == last) {
          std::fill(partial, partial + winograd_components * component_floats_, 0.0f);
        }
        for (std::int64_t strip = first; strip < last; strip += block_) {
          const Block work(strips, strip, block_, last, operand, dy, stored_dy);
          add_block(work, strip > first || !first_, partial);
        }
      }
    });
    first_ = false;
  }

  void finish(const Exec& ex, float* dw) override {
    finish_weight_gradient(ex, transforms_, s_, partials_, parts_, dw);
  }

 private:
  /// Some strips, and those behind them.
  struct Block {
    const OutputGradient& dy;
    float* stored_dy;
    std::int64_t count, tiles;
    const InputNorm* norm;
    std::vector<StripInput> patches, gradients;

    /// The strips [first, last), or `most` of them if that is less.
    Block(const WinogradStrips& strips, std::int64_t first, std::int64_t most, std::int64_t last,
          const Operand& operand, const OutputGradient& dy_, float* stored_dy_)
        : dy(dy_),
          stored_dy(stored_dy_),
          count(std::min(most, last - first)),
          tiles(strips.tiles()),
          norm(operand.norm) {
      for (std::int64_t strip = first; strip < std::min(first + 2 * most, last); ++strip) {
        patches.push_back(strips.patches(strip, operand.x, operand.pitch));
        gradients.push_back(strips.gradients(strip, dy.g));
      }
    }
  };

  /// What the channels from c on, or else the next strips', are read of is to be fetched.
  void queue_prefetches(const Block& block, std::int64_t c, PrefetchQueue& prefetches) const {
    prefetches.start(winograd_components);
    const auto count = static_cast<std::size_t>(block.count);
    if (c < s_.c) {
      for (std::size_t i = 0; i < count; ++i) {
        prefetches.add_patches(block.patches[i], c, std::min(c + channels_, s_.c));
      }
      return;
    }
    for (std::size_t i = count; i < block.patches.size(); ++i) {
      prefetches.add_patches(block.patches[i], 0, std::min(channels_, s_.c));
      prefetches.add_gradients(block.gradients[i], block.dy, s_.k);
    }
  }

  std::int64_t blocks(const WinogradStrips& strips) const {
    return (strips.count() + block_ - 1) / block_;
  }

  void add_block(const Block& block, bool add, float* partial) const {
    const std::int64_t tiles = block.tiles;
    const std::int64_t c_vectors = channels_ / lanes_, k_vectors = filters_ / lanes_;
    StripRows h{nullptr, block_, winograd_tile * tiles + 2, lanes_};
    StripRows g{nullptr, block_, winograd_tile * tiles, lanes_};
    StripComponents v{nullptr, block_ * tiles, c_vectors, lanes_};
    StripComponents z{nullptr, block_ * tiles, k_vectors, lanes_};
    thread_local Scratch scratch;
    thread_local PrefetchQueue prefetches;
    h.at = scratch.floats(h.floats(c_vectors) + g.floats(k_vectors) + v.floats(winograd_patch) +
                          z.floats(winograd_patch));
    g.at = h.at + h.floats(c_vectors);
    v.at = g.at + g.floats(k_vectors);
    z.at = v.at + v.floats(winograd_patch);

    for (std::int64_t strip = 0; strip < block.count; ++strip) {
      const StripInput& gradients = block.gradients[static_cast<std::size_t>(strip)];
      for (std::int64_t f = 0; f < k_vectors; ++f) {
        transforms_.gradient_columns(gradients, block.dy, block.stored_dy, f * lanes_, s_.k,
                                     g(f, strip), g.row());
      }
    }
    for (std::int64_t c = 0; c < s_.c; c += channels_) {
      const std::int64_t channels = std::min(channels_, s_.c - c);
      const std::int64_t vectors = round_up(channels, lanes_) / lanes_;
      transform_patch_columns(transforms_,
                              std::span(block.patches).first(static_cast<std::size_t>(block.count)),
                              block.norm, c, channels, s_.c, h);
      queue_prefetches(block, c + channels, prefetches);
      for (std::int64_t i = 0; i < winograd_patch; ++i) {
        for (std::int64_t strip = 0; strip < block.count; ++strip) {
          for (std::int64_t f = 0; f < k_vectors; ++f) {
            transforms_.gradient_rows(g(f, strip, i), tiles, z(0, f, strip * tiles), z.component());
          }
        }
        transform_patch_rows(transforms_, h, i, block.count, tiles, vectors, v);
        for (std::int64_t j = 0; j < winograd_patch; ++j) {
          prefetches.step();
          const std::int64_t component = winograd_patch * i + j;
          multiply_components(tiles_, panels_, v, z, j, {0, block.count * tiles}, channels, add,
                              partial + component * component_floats_ + c * filters_);
        }
      }
    }
  }

  Correlation s_;
  RegisterTiles tiles_ = cpu::register_tiles();
  WinogradTransforms transforms_ = winograd_transforms();
  Panels panels_{s_.k, tiles_.lanes};
  std::int64_t lanes_ = tiles_.lanes, filters_ = panels_.padded();
  std::int64_t component_floats_ = s_.c * filters_;
  std::int64_t channels_ = std::min(kWinogradChannels, round_up(s_.c, lanes_));
  std::int64_t block_, parts_;
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
