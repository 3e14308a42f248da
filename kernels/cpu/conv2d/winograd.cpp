#include "kernels/cpu/conv2d/winograd.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d/prefetch_queue.h"
#include "kernels/cpu/conv2d/winograd_strips.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {
namespace {

/// The steps from the operand of some strips to y; winograd.h has the letters.
struct CorrelationSteps {
  const Correlation& s;
  const Operand& operand;
  const float* u;
  const Epilogue& epilogue;
  float* y;
  WinogradStrips strips{s};
  RegisterTiles register_tiles = cpu::register_tiles();
  WinogradTransforms transforms = winograd_transforms();
  Panels panels{s.k, register_tiles.lanes};
  std::int64_t lanes = register_tiles.lanes, filters = panels.padded();
  std::int64_t c_vectors = round_up(s.c, lanes) / lanes, k_vectors = filters / lanes;
  std::vector<float> bias = std::vector<float>(static_cast<std::size_t>(filters), 0.0f);

  CorrelationSteps(const Correlation& correlation, const Operand& from, const float* weights,
                   const Epilogue& epilogue_, float* to)
      : s(correlation), operand(from), u(weights), epilogue(epilogue_), y(to) {
    if (epilogue.b != nullptr) std::copy(epilogue.b, epilogue.b + s.k, bias.begin());
  }

  StripRows rows_of_patches(float* at, std::int64_t count) const {
    return {at, count, winograd_tile * strips.tiles() + 2, lanes};
  }
  StripRows rows_of_outputs(float* at, std::int64_t count) const {
    return {at, count, winograd_tile * strips.tiles(), lanes};
  }

  StripInput patches(std::int64_t strip) const {
    return strips.patches(strip, operand.x, operand.pitch);
  }
  StripOutput outputs(std::int64_t strip) const {
    return strips.outputs(strip, bias.data(), epilogue.addend, epilogue.relu, y);
  }

  /// m = v u of one component and panel over the `channels` from `c` on, added to m unless they are
  /// the first.
  void multiply(std::int64_t component, std::int64_t panel, std::int64_t c, std::int64_t channels,
                std::int64_t count, const float* v, std::int64_t v_vector, float* m,
                std::int64_t m_vector) const {
    const std::int64_t f = panels.begin(panel), vectors = panels.vectors(panel);
    register_tiles.product({.v = v,
                            .v_vector = v_vector,
                            .rows = count,
                            .channels = channels,
                            .w = u + component * s.c * filters + f * s.c + c * vectors * lanes,
                            .m = m,
                            .m_vector = m_vector,
                            .vectors = vectors,
                            .add = c > 0});
  }

  /// Writes strip `strip`, whose rows are the `from`-th of g; `written`, unless null, is told where
  /// its pixels lie.
  void write(std::int64_t strip, const StripRows& g, std::int64_t from,
             std::vector<std::int64_t>* written) const {
    const StripOutput output = outputs(strip);
    for (std::int64_t f = 0; f < k_vectors; ++f) {
      transforms.output_columns(g(f, from), g.row(), f * lanes, s.k, output);
    }
    if (written == nullptr) return;
    for (std::int64_t i = 0; i < output.count; ++i) {
      for (std::int64_t j = 0; j < output.columns; ++j) {
        written->push_back(output.rows[i] - y + j * output.pixel);
      }
    }
  }
};

/// What one thread does with cache blocks of strips, one after the other.
class BlockCorrelation {
 public:
  BlockCorrelation(const CorrelationSteps& steps, std::int64_t block, Scratch& scratch)
      : steps_(steps), channels_(std::min(kWinogradChannels, steps.c_vectors * steps.lanes)) {
    const std::int64_t vectors = channels_ / steps.lanes, tiles = block * steps.strips.tiles();
    const bool all_components = steps.s.c > channels_;
    h_ = steps.rows_of_patches(nullptr, block);
    g_ = steps.rows_of_outputs(nullptr, block);
    v_ = {nullptr, tiles, vectors, steps.lanes};
    m_ = {nullptr, tiles, steps.k_vectors, steps.lanes};
    m_components_ = all_components ? winograd_patch : 0;
    const std::int64_t h = h_.floats(vectors), g = g_.floats(steps.k_vectors);
    const std::int64_t v = v_.floats(winograd_patch);
    const std::int64_t m = m_.floats(all_components ? winograd_components : winograd_patch);
    h_.at = scratch.floats(h + g + v + m);
    g_.at = h_.at + h;
    v_.at = g_.at + g;
    m_.at = v_.at + v;
  }

  /// Strips [first, first + count), while those behind them, up to `end`, are fetched.
  void run(std::int64_t first, std::int64_t count, std::int64_t end) {
    const CorrelationSteps& steps = steps_;
    inputs_.clear();
    for (std::int64_t strip = first; strip < first + count; ++strip) {
      inputs_.push_back(steps.patches(strip));
    }
    for (std::int64_t c = 0; c < steps.s.c; c += channels_) {
      const std::int64_t channels = std::min(channels_, steps.s.c - c);
      const std::int64_t vectors = round_up(channels, steps.lanes) / steps.lanes;
      transform_patch_columns(steps.transforms, inputs_, steps.operand.norm, c, channels, steps.s.c,
                              h_);
      queue_prefetches(first, count, end, c + channels);
      const bool last = c + channels == steps.s.c;
      for (std::int64_t i = 0; i < winograd_patch; ++i) {
        transform_patch_rows(steps.transforms, h_, i, count, steps.strips.tiles(), vectors, v_);
        for (std::int64_t j = 0; j < winograd_patch; ++j) {
          prefetches_.step();
          for (std::int64_t panel = 0; panel < steps.panels.count(); ++panel) {
            steps.multiply(winograd_patch * i + j, panel, c, channels, count * steps.strips.tiles(),
                           v_(j, 0), v_.vector(), m_(m_components_ * i + j, 2 * panel),
                           m_.vector());
          }
        }
        if (last) output_rows(i, count);
      }
    }
  }

  const StripRows& outputs() const { return g_; }

 private:
  void output_rows(std::int64_t i, std::int64_t count) {
    for (std::int64_t f = 0; f < steps_.k_vectors; ++f) {
      for (std::int64_t strip = 0; strip < count; ++strip) {
        steps_.transforms.output_rows(m_(m_components_ * i, f, strip * steps_.strips.tiles()),
                                      m_.component(), steps_.strips.tiles(), g_(f, strip, i));
      }
    }
  }

  /// What the channels from c on, or else the next strips', are read of is to be fetched, and what
  /// these strips write.
  void queue_prefetches(std::int64_t first, std::int64_t count, std::int64_t end, std::int64_t c) {
    const Correlation& s = steps_.s;
    prefetches_.start(winograd_components);
    if (c < s.c) {
      for (const StripInput& x : inputs_)
        prefetches_.add_patches(x, c, std::min(c + channels_, s.c));
      return;
    }
    for (std::int64_t strip = first; strip < first + count; ++strip) {
      prefetches_.add_outputs(steps_.outputs(strip), s.k);
    }
    // What one thread works alone lies in its cache.
    if (s.one_thread) return;
    for (std::int64_t strip = first + count; strip < std::min(first + 2 * count, end); ++strip) {
      prefetches_.add_patches(steps_.patches(strip), 0, std::min(channels_, s.c));
    }
  }

  const CorrelationSteps& steps_;
  std::int64_t channels_, m_components_;
  std::vector<StripInput> inputs_;
  PrefetchQueue prefetches_;
  StripRows h_, g_;
  StripComponents v_, m_;
};

/// Many tiles: each thread takes cache blocks of strips from beginning to end.
void correlate_by_blocks(const Exec& ex, const CorrelationSteps& steps) {
  const WinogradStrips& strips = steps.strips;
  const std::int64_t block =
      strips.cache_block(std::min(kWinogradChannels, steps.s.c) + steps.filters, 16);
  const std::int64_t blocks = (strips.count() + block - 1) / block;
  PartEpilogue* const parts = steps.epilogue.parts;
  if (parts != nullptr) parts->start(blocks);
  parallel(ex, blocks, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    BlockCorrelation correlation(steps, block, scratch);
    const std::int64_t last = std::min(end * block, strips.count());
    std::vector<std::int64_t> written;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i * block, count = std::min(block, last - first);
      correlation.run(first, count, last);
      for (std::int64_t strip = 0; strip < count; ++strip) {
        steps.write(first + strip, correlation.outputs(), strip,
                    parts != nullptr ? &written : nullptr);
      }
      if (parts != nullptr) parts->apply(i, steps.y, {written.data(), std::ssize(written)});
      written.clear();
    }
  });
}

/// More weights than pixels: threads share the components of a large block of strips, each reading
/// its part of the weights alone and once a block, and no tile is too small for the registers.
void correlate_by_components(const Exec& ex, const CorrelationSteps& steps) {
  const WinogradStrips& strips = steps.strips;
  const WinogradTransforms& transforms = steps.transforms;
  const std::int64_t block = strips.shared_block(steps.s.c + steps.filters), tiles = strips.tiles();
  PartEpilogue* const parts = steps.epilogue.parts;
  if (parts != nullptr) parts->start(strips.count());
  StripComponents v{nullptr, block * tiles, steps.c_vectors, steps.lanes};
  StripComponents m{nullptr, block * tiles, steps.k_vectors, steps.lanes};
  thread_local Scratch of_components;
  v.at = of_components.floats(v.floats(winograd_components) + m.floats(winograd_components));
  m.at = v.at + v.floats(winograd_components);
  for (std::int64_t first = 0; first < strips.count(); first += block) {
    const std::int64_t count = std::min(block, strips.count() - first);
    parallel(ex, count * steps.c_vectors, [&](std::int64_t begin, std::int64_t end) {
      thread_local Scratch scratch;
      StripRows h = steps.rows_of_patches(nullptr, 1);
      h.at = scratch.floats(h.floats(1));
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t strip = task / steps.c_vectors, vector = task % steps.c_vectors;
        transforms.patch_columns(steps.patches(first + strip), steps.operand.norm,
                                 vector * steps.lanes, steps.s.c, h(0, 0), h.row());
        for (std::int64_t i = 0; i < winograd_patch; ++i) {
          transforms.patch_rows(h(0, 0, i), tiles, v(winograd_patch * i, vector, strip * tiles),
                                v.component());
        }
      }
    });
    const std::int64_t panels = steps.panels.count();
    parallel(ex, winograd_components * panels, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t component = task / panels, panel = task % panels;
        steps.multiply(component, panel, 0, steps.s.c, count * tiles, v(component, 0), v.vector(),
                       m(component, 2 * panel), m.vector());
      }
    });
    parallel(ex, count, [&](std::int64_t begin, std::int64_t end) {
      thread_local Scratch scratch;
      StripRows g = steps.rows_of_outputs(nullptr, 1);
      g.at = scratch.floats(g.floats(steps.k_vectors));
      std::vector<std::int64_t> written;
      for (std::int64_t strip = begin; strip < end; ++strip) {
        for (std::int64_t f = 0; f < steps.k_vectors; ++f) {
          for (std::int64_t i = 0; i < winograd_patch; ++i) {
            transforms.output_rows(m(winograd_patch * i, f, strip * tiles), m.component(), tiles,
                                   g(f, 0, i));
          }
        }
        steps.write(first + strip, g, 0, parts != nullptr ? &written : nullptr);
        if (parts == nullptr) continue;
        parts->apply(first + strip, steps.y, {written.data(), std::ssize(written)});
        written.clear();
      }
    });
  }
}

}  // namespace

std::int64_t winograd_weight_floats(std::int64_t channels, std::int64_t filters) {
  return winograd_components * channels * Panels{filters, register_tiles().lanes}.padded();
}

void winograd_transform_weights(const Exec& ex, std::int64_t channels, std::int64_t filters,
                                const WinogradWeights& w, float* u) {
  const WinogradTransforms transforms = winograd_transforms();
  const Panels panels{filters, transforms.lanes};
  const std::int64_t lanes = transforms.lanes, stride = channels * panels.padded();
  // Channels within a vector of filters, so that lines of strided filters serve their neighbours:
  // those of nine taps and 16 filters are 36 KiB.
  constexpr std::int64_t most_channels = 64;
  const std::int64_t slices = (channels + most_channels - 1) / most_channels;
  parallel(ex, panels.padded() / lanes * slices, [&](std::int64_t begin, std::int64_t end) {
    thread_local Scratch scratch;
    float* const taps = scratch.floats(9 * lanes);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t f = task / slices * lanes, first_c = task % slices * most_channels;
      const std::int64_t count = std::min(lanes, panels.filters - f);
      const std::int64_t panel = f / (2 * lanes), first = panels.begin(panel);
      const std::int64_t width = panels.vectors(panel) * lanes;
      for (std::int64_t c = first_c; c < std::min(first_c + most_channels, channels); ++c) {
        const float* from = w.w + c * w.channel + f * w.filter;
        std::int64_t tap_stride = w.tap;
        if (w.filter != 1) {  // a vector needs its filters side by side
          for (std::int64_t tap = 0; tap < 9; ++tap) {
            for (std::int64_t i = 0; i < count; ++i) {
              taps[tap * lanes + i] = from[tap * w.tap + i * w.filter];
            }
          }
          from = taps;
          tap_stride = lanes;
        }
        transforms.weight(from, tap_stride, count, u + first * channels + c * width + f - first,
                          stride);
      }
    }
  });
}

void winograd_correlate(const Exec& ex, const Correlation& s, const Operand& operand,
                        const float* u, const Epilogue& epilogue, float* y) {
  const CorrelationSteps steps(s, operand, u, epilogue, y);
  const std::int64_t tiles = steps.strips.count() * steps.strips.tiles();
  // Weights that are more than what they work on, or more than a level 2 cache.
  if (s.c * steps.filters > tiles * (s.c + steps.filters) ||
      winograd_components * s.c * steps.filters > kWinogradWideFloats) {
    correlate_by_components(ex, steps);
  } else {
    correlate_by_blocks(ex, steps);
  }
}

}  // namespace trifold::kernels::cpu
