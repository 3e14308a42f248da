#include "nn/data/loader.h"

#include <algorithm>
#include <numeric>

#include "engine/random.h"
#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

std::vector<std::int64_t> epoch_order(std::int64_t count, const LoaderOptions& options,
                                      std::int64_t epoch) {
  if (options.shuffle) {
    return engine::permutation(count, engine::Random(options.seed, engine::random_streams::shuffle,
                                                     static_cast<std::uint32_t>(epoch)));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

Loader::Loader(const Dataset& dataset, const LoaderOptions& options)
    : dataset_(dataset), options_(options) {
  check(dataset);
  require<ConfigError>(options.batch >= 1, "the batch size must be at least 1, not {}",
                       options.batch);
  require<ConfigError>(options.batch % options.shards == 0,
                       "a batch of {} images can't be cut into {} equal shards", options.batch,
                       options.shards);
  require<ConfigError>(options.prefetch >= 0, "the number of batches to prefetch can't be {}",
                       options.prefetch);
  const std::int64_t most_padding = std::min(dataset.height, dataset.width) - 1;
  require<ConfigError>(!options.augmentation || (options.augmentation->pad >= 0 &&
                                                 options.augmentation->pad <= most_padding),
                       "the padding of random crops of '{}' must be between 0 and {} pixels",
                       dataset.name, most_padding);
  require<ConfigError>(
      !options.augmentation || !options.augmentation->resized || dataset.streamed(),
      "windows are cut out of images as their files hold them, and those of '{}' aren't read from "
      "their files as they are needed",
      dataset.name);
  require<ConfigError>(batches_per_epoch() >= 1,
                       "the {} images of '{}' do not fill one batch of {}: use a smaller batch",
                       dataset.count, dataset.name, options.batch);
  if (dataset.streamed()) reader_.emplace(dataset, options.threads);
}

std::int64_t Loader::batches_per_epoch() const {
  const std::int64_t full = dataset_.count / options_.batch;
  const bool rest = dataset_.count % options_.batch != 0;
  return full + (rest && !options_.drop_last ? 1 : 0);
}

void Loader::start(std::int64_t epoch, std::int64_t batch) {
  require<ShapeError>(
      epoch >= 0 && epoch < std::int64_t{1} << 32 && batch >= 0 && batch <= batches_per_epoch(),
      "there is no batch {} in epoch {}: an epoch has {}", batch, epoch, batches_per_epoch());
  prefetcher_.reset();  // the thread reads what is set below
  epoch_ = epoch;
  next_batch_ = batch;
  next_shard_ = 0;
  order_ = epoch_order(dataset_.count, options_, epoch);
  if (options_.prefetch > 0) {
    prefetcher_ =
        std::make_unique<Prefetcher<Batch>>([this] { return produce(); }, options_.prefetch);
  }
}

std::optional<Batch> Loader::next() { return prefetcher_ ? prefetcher_->pop() : produce(); }

std::optional<Batch> Loader::produce() {
  if (order_.empty() || next_batch_ == batches_per_epoch()) return std::nullopt;
  const std::int64_t most = options_.batch / options_.shards;
  const std::int64_t first =
      next_batch_ * options_.batch + (options_.first_shard + next_shard_) * most;
  if (++next_shard_ == options_.own_shards) {
    next_shard_ = 0;
    ++next_batch_;
  }
  Batch batch;
  batch.n = std::min(most, dataset_.count - first);
  const auto indices = std::span<const std::int64_t>(order_).subspan(
      static_cast<std::size_t>(first), static_cast<std::size_t>(batch.n));
  batch.pixels = pixels_of(indices);
  for (const std::int64_t index : indices) {
    batch.crops.push_back(options_.augmentation
                              ? draw_crop(*options_.augmentation, options_.seed, epoch_, index)
                              : kernels::Crop{});
    batch.labels.push_back(dataset_.label(index));
  }
  return batch;
}

std::vector<std::uint8_t> Loader::pixels_of(std::span<const std::int64_t> indices) {
  const std::size_t bytes = indices.size() * static_cast<std::size_t>(dataset_.image_bytes());
  std::vector<std::uint8_t> pixels;
  ImageReader::Change change;
  if (options_.augmentation && options_.augmentation->color.changes()) {
    change = [this](std::int64_t index, std::span<std::uint8_t> image) {
      const ColorJitter& jitter = options_.augmentation->color;
      change_colors(draw_color_change(jitter, options_.seed, epoch_, index), image,
                    dataset_.channels);
    };
  }
  if (reader_) {
    ImageReader::ChooseWindow window;
    if (options_.augmentation && options_.augmentation->resized) {
      window = [this](std::int64_t index, std::int64_t height, std::int64_t width) {
        return draw_window(options_.seed, epoch_, index, height, width);
      };
    }
    pixels.resize(bytes);
    reader_->read(indices, window, change, pixels.data());
    return pixels;
  }
  pixels.reserve(bytes);
  for (const std::int64_t index : indices) {
    const std::uint8_t* const image = dataset_.image(index);
    pixels.insert(pixels.end(), image, image + dataset_.image_bytes());
    if (change)
      change(index, std::span(pixels).last(static_cast<std::size_t>(dataset_.image_bytes())));
  }
  return pixels;
}

}  // namespace trifold::nn
