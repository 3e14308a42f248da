#include "pruning/latency/times.h"

#include <zlib.h>

#include <array>
#include <cmath>

#include "kernels/runtime/error.h"

namespace trifold::pruning {
namespace {

struct Weighted {
  std::int64_t channels;
  double weight;
};

// The measured numbers of channels around one, and how near it is to each.
std::array<Weighted, 2> around(std::int64_t channels) {
  std::int64_t below = 1, above = 1;
  while (above < channels) {
    below = above;
    // From 2^n to 3 2^(n-1), and on to 2^(n+1).
    above = above % 3 == 0 ? above / 3 * 4 : above == 1 ? 2 : above / 2 * 3;
  }
  if (above == channels) return {{{channels, 1.0}, {channels, 0.0}}};
  const double share = static_cast<double>(channels - below) / static_cast<double>(above - below);
  return {{{below, 1.0 - share}, {above, share}}};
}

// Whether an operation may read other channels than it writes.
bool mixes_channels(const Layer& layer) {
  return layer.op == "conv2d" || layer.op == "linear" || layer.op == "channel_gather";
}

}  // namespace

Times::Times(std::unique_ptr<Stopwatch> stopwatch, TimeTable own, std::optional<TimeTable> shared)
    : stopwatch_(std::move(stopwatch)), own_(std::move(own)), shared_(std::move(shared)) {}

template <class Measure>
double Times::look_up(const std::string& work, const Measure& measure) {
  if (const std::optional<double> found = own_.find(work)) return *found;
  std::optional<double> seconds = shared_ ? shared_->find(work) : std::nullopt;
  if (!seconds) {
    seconds = measure();
    require<Error>(std::isfinite(*seconds) && *seconds > 0,
                   "the clock of this machine says that {} takes {} seconds", work, *seconds);
    ++measured_;
    if (shared_) shared_->add(work, *seconds);
  }
  own_.add(work, *seconds);
  return *seconds;
}

double Times::at_measured_channels(const Layer& layer) {
  return look_up(to_string(layer), [&] { return stopwatch_->seconds(layer); });
}

double Times::seconds(const Layer& layer) {
  if (const auto found = known_.find(layer); found != known_.end()) return found->second;
  std::int64_t out = layer.out;
  if (layer.op == "conv2d") {
    const std::int64_t multiple = stopwatch_->filters_at_once();
    out = (out + multiple - 1) / multiple * multiple;
  }
  double sum = 0;
  if (layer.op == "grouped_conv2d") {  // which is cut by whole groups
    for (const Weighted& groups : around(layer.groups)) {
      if (groups.weight == 0) continue;
      Layer measured = layer;
      measured.groups = groups.channels;
      measured.in = layer.in / layer.groups * groups.channels;
      measured.out = layer.out / layer.groups * groups.channels;
      sum += groups.weight * at_measured_channels(measured);
    }
    return known_.emplace(layer, sum).first->second;
  }
  for (const Weighted& written : around(out)) {
    if (written.weight == 0) continue;
    Layer measured = layer;
    measured.in = measured.out = written.channels;
    if (!mixes_channels(layer)) {
      sum += written.weight * at_measured_channels(measured);
      continue;
    }
    for (const Weighted& read : around(layer.in)) {
      if (read.weight == 0) continue;
      measured.in = read.channels;
      sum += written.weight * read.weight * at_measured_channels(measured);
    }
  }
  return known_.emplace(layer, sum).first->second;
}

double Times::seconds(const nn::Graph& graph, std::int64_t side) {
  std::string text;
  const std::vector<Layer> layers = layers_of(graph, side);
  for (const Layer& layer : layers) text += to_string(layer) + "\n";
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  return look_up(
      fmt::format("network of {} layers, side {}, CRC-32 {:08x}", layers.size(), side, crc),
      [&] { return stopwatch_->seconds(graph, side); });
}

void Times::save() {
  own_.save();
  if (shared_) shared_->save();
}

}  // namespace trifold::pruning
