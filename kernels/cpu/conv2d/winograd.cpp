#include "kernels/cpu/conv2d/winograd.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/conv2d/prefetch_queue.h"
#include "kernels/cpu/conv2d/winograd_strips.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {
namespace {

/// The steps that lead strips from the source to y, through rows h of vectors of channels, points v,
/// products m, and rows g of vectors of filters.
struct CorrelationSteps {
  const Correlation& s;
  const Source& source;
  const float* u;
  const Finish& finish;
  float* y;
  WinogradStrips strips{s};
  Tiles tiles = cpu::tiles();
  WinogradTransforms transforms = winograd_transforms();
  Panels panels{s.k, tiles.lanes};
  std::int64_t lanes = tiles.lanes, filters = panels.padded();
  std::int64_t c_vectors = round_up(s.c, lanes) / lanes, k_vectors = filters / lanes;
  std::vector<float> bias = std::vector<float>(static_cast<std::size_t>(filters), 0.0f);

  CorrelationSteps(const Correlation& correlation, const Source& from, const float* weights,
                   const Finish& finish_, float* to)
      : s(correlation), source(from), u(weights), finish(finish_), y(to) {
    if (finish.b != nullptr) std::copy(finish.b, finish.b + s.k, bias.begin());
  }

  StripRows rows_of_patches(float* at, std::int64_t count) const {
    return {at, count, winograd_tile * strips.tiles() + 2, lanes};
  }
  StripRows rows_of_outputs(float* at, std::int64_t count) const {
    return {at, count, winograd_tile * strips.tiles(), lanes};
  }

  StripInput patches(std::int64_t strip) const {
    return strips.patches(strip, source.x, source.pitch);
  }
  StripOutput outputs(std::int64_t strip) const {
    return strips.outputs(strip, bias.data(), finish.addend, finish.relu, y);
  }

  /// m = v u of one point and panel over the `channels` from `c` on, added to m unless they are the
  /// first.
  void multiply(std::int64_t point, std::int64_t panel, std::int64_t c, std::int64_t channels,
                std::int64_t count, const float* v, std::int64_t v_vector, float* m,
                std::int64_t m_vector) const {
    const std::int64_t f = panels.begin(panel), vectors = panels.vectors(panel);
    tiles.product({.v = v,
                   .v_vector = v_vector,
                   .rows = count,
                   .channels = channels,
                   .w = u + point * s.c * filters + f * s.c + c * vectors * lanes,
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

/// One thread's way through blocks of strips, in its own caches.
class BlockCorrelation {
 public:
  BlockCorrelation(const CorrelationSteps& steps, std::int64_t block, Scratch& scratch)
      : steps_(steps), channels_(std::min(kWinogradChannels, steps.c_vectors * steps.lanes)) {
    const std::int64_t vectors = channels_ / steps.lanes, tiles = block * steps.strips.tiles();
    const bool all_points = steps.s.c > channels_;
    h_ = steps.rows_of_patches(nullptr, block);
    g_ = steps.rows_of_outputs(nullptr, block);
    v_ = {nullptr, tiles, vectors, steps.lanes};
    m_ = {nullptr, tiles, steps.k_vectors, steps.lanes};
    m_points_ = all_points ? winograd_patch : 0;
    const std::int64_t h = h_.floats(vectors), g = g_.floats(steps.k_vectors);
    const std::int64_t v = v_.floats(winograd_patch);
    const std::int64_t m = m_.floats(all_points ? winograd_points : winograd_patch);
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
      for (std::int64_t strip = 0; strip < count; ++strip) {
        for (std::int64_t v = 0; v < vectors; ++v) {
          steps.transforms.patch_columns(inputs_[static_cast<std::size_t>(strip)],
                                         steps.source.norm, c + v * steps.lanes, steps.s.c,
                                         h_(v, strip), h_.row());
        }
      }
      expect(first, count, end, c + channels);
      const bool last = c + channels == steps.s.c;
      for (std::int64_t i = 0; i < winograd_patch; ++i) {
        rows(i, count, vectors);
        for (std::int64_t j = 0; j < winograd_patch; ++j) {
          ahead_.step();
          for (std::int64_t panel = 0; panel < steps.panels.count(); ++panel) {
            steps.multiply(winograd_patch * i + j, panel, c, channels, count * steps.strips.tiles(),
                           v_(j, 0), v_.vector(), m_(m_points_ * i + j, 2 * panel), m_.vector());
          }
        }
        if (last) output_rows(i, count);
      }
    }
  }

  const StripRows& outputs() const { return g_; }

 private:
  void rows(std::int64_t i, std::int64_t count, std::int64_t vectors) {
    for (std::int64_t v = 0; v < vectors; ++v) {
      for (std::int64_t strip = 0; strip < count; ++strip) {
        steps_.transforms.patch_rows(h_(v, strip, i), steps_.strips.tiles(),
                                     v_(0, v, strip * steps_.strips.tiles()), v_.point());
      }
    }
  }

  void output_rows(std::int64_t i, std::int64_t count) {
    for (std::int64_t f = 0; f < steps_.k_vectors; ++f) {
      for (std::int64_t strip = 0; strip < count; ++strip) {
        steps_.transforms.output_rows(m_(m_points_ * i, f, strip * steps_.strips.tiles()),
                                      m_.point(), steps_.strips.tiles(), g_(f, strip, i));
      }
    }
  }

  /// What the channels from c on, or else the next strips', are read of is to be fetched, and what
  /// these strips write.
  void expect(std::int64_t first, std::int64_t count, std::int64_t end, std::int64_t c) {
    const Correlation& s = steps_.s;
    ahead_.start(winograd_points);
    if (c < s.c) {
      for (const StripInput& x : inputs_) ahead_.add_patches(x, c, std::min(c + channels_, s.c));
      return;
    }
    for (std::int64_t strip = first; strip < first + count; ++strip) {
      ahead_.add_outputs(steps_.outputs(strip), s.k);
    }
    // What one thread works alone lies in its cache.
    if (s.alone) return;
    for (std::int64_t strip = first + count; strip < std::min(first + 2 * count, end); ++strip) {
      ahead_.add_patches(steps_.patches(strip), 0, std::min(channels_, s.c));
    }
  }

  const CorrelationSteps& steps_;
  std::int64_t channels_, m_points_;
  std::vector<StripInput> inputs_;
  Ahead ahead_;
  StripRows h_, g_;
  StripPoints v_, m_;
};

/// Many tiles: each thread leads blocks of strips from beginning to end.
void correlate_blocks(const Exec& ex, const CorrelationSteps& steps) {
  const WinogradStrips& strips = steps.strips;
  const std::int64_t block =
      strips.block(std::min(kWinogradChannels, steps.s.c) + steps.filters, 16);
  const std::int64_t blocks = (strips.count() + block - 1) / block;
  PartWork* const work = steps.finish.work;
  if (work != nullptr) work->expect(blocks);
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
                    work != nullptr ? &written : nullptr);
      }
      if (work != nullptr) work->take(i, steps.y, {written.data(), std::ssize(written)});
      written.clear();
    }
  });
}

/// More weights than pixels: threads share the points of a large group of strips, each reading its
/// part of the weights alone and once a group, and no tile is too small for the registers.
void correlate_groups(const Exec& ex, const CorrelationSteps& steps) {
  const WinogradStrips& strips = steps.strips;
  const WinogradTransforms& transforms = steps.transforms;
  const std::int64_t group = strips.group(steps.s.c + steps.filters), tiles = strips.tiles();
  PartWork* const work = steps.finish.work;
  if (work != nullptr) work->expect(strips.count());
  StripPoints v{nullptr, group * tiles, steps.c_vectors, steps.lanes};
  StripPoints m{nullptr, group * tiles, steps.k_vectors, steps.lanes};
  thread_local Scratch of_points;
  v.at = of_points.floats(v.floats(winograd_points) + m.floats(winograd_points));
  m.at = v.at + v.floats(winograd_points);
  for (std::int64_t first = 0; first < strips.count(); first += group) {
    const std::int64_t count = std::min(group, strips.count() - first);
    parallel(ex, count * steps.c_vectors, [&](std::int64_t begin, std::int64_t end) {
      thread_local Scratch scratch;
      StripRows h = steps.rows_of_patches(nullptr, 1);
      h.at = scratch.floats(h.floats(1));
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t strip = task / steps.c_vectors, vector = task % steps.c_vectors;
        transforms.patch_columns(steps.patches(first + strip), steps.source.norm,
                                 vector * steps.lanes, steps.s.c, h(0, 0), h.row());
        for (std::int64_t i = 0; i < winograd_patch; ++i) {
          transforms.patch_rows(h(0, 0, i), tiles, v(winograd_patch * i, vector, strip * tiles),
                                v.point());
        }
      }
    });
    const std::int64_t panels = steps.panels.count();
    parallel(ex, winograd_points * panels, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t point = task / panels, panel = task % panels;
        steps.multiply(point, panel, 0, steps.s.c, count * tiles, v(point, 0), v.vector(),
                       m(point, 2 * panel), m.vector());
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
            transforms.output_rows(m(winograd_patch * i, f, strip * tiles), m.point(), tiles,
                                   g(f, 0, i));
          }
        }
        steps.write(first + strip, g, 0, work != nullptr ? &written : nullptr);
        if (work == nullptr) continue;
        work->take(first + strip, steps.y, {written.data(), std::ssize(written)});
        written.clear();
      }
    });
  }
}

}  // namespace

std::int64_t winograd_weight_floats(std::int64_t channels, std::int64_t filters) {
  return winograd_points * channels * Panels{filters, tiles().lanes}.padded();
}

void winograd_transform_weights(const Exec& ex, std::int64_t channels, std::int64_t filters,
                                const WinogradWeights& w, float* u) {
  const WinogradTransforms transforms = winograd_transforms();
  const Panels panels{filters, transforms.lanes};
  const std::int64_t lanes = transforms.lanes, stride = channels * panels.padded();
  // Channels within a vector of filters, so that lines of strided filters serve their neighbours.
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

void winograd_correlate(const Exec& ex, const Correlation& s, const Source& source, const float* u,
                        const Finish& finish, float* y) {
  const CorrelationSteps steps(s, source, u, finish, y);
  const std::int64_t tiles = steps.strips.count() * steps.strips.tiles();
  // Weights that are more than what they work on, or more than a level 2 cache.
  if (s.c * steps.filters > tiles * (s.c + steps.filters) ||
      winograd_points * s.c * steps.filters > kWinogradWideFloats) {
    correlate_groups(ex, steps);
  } else {
    correlate_blocks(ex, steps);
  }
}

}  // namespace trifold::kernels::cpu
