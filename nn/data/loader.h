/// Batches of images.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nn/data/augment.h"
#include "nn/data/dataset.h"
#include "nn/data/image_files.h"
#include "nn/data/prefetch.h"

namespace trifold::nn {

struct Batch {
  std::vector<std::uint8_t> pixels;  // (n, height, width, channels)
  std::vector<kernels::Crop> crops;  // (n), what to show of each image
  std::vector<std::int32_t> labels;  // (n)
  std::int64_t n = 0;
};

struct LoaderOptions {
  std::int64_t batch = 128;
  std::uint64_t seed = 0;
  bool shuffle = true;                            ///< A new order each epoch; else the data set's.
  bool drop_last = false;                         ///< Leaves out a last batch that is not full.
  std::optional<Augmentation> augmentation = {};  ///< None: images as they are.
  std::int64_t prefetch = 2;                      ///< Batches made ahead by a thread; 0: no thread.
  std::int64_t shards = 1;       ///< Equal parts of a batch, which next() gives one by one.
  std::int64_t first_shard = 0;  ///< It gives these of each batch alone.
  std::int64_t own_shards = 1;
  int threads = 1;  ///< That decode streamed images; 0: one a processor.
};

/// Gives a data set in batches, epoch by epoch. Every batch is a pure function of (data set,
/// options, epoch, batch), and a shard of its place in it, so a run that resumes at any (epoch,
/// batch) sees exactly what an uninterrupted one does, with or without the thread. Of a streamed data
/// set no more is in memory than the batches made ahead, the one in work, and the pictures that its
/// threads decode for it.
///
///     loader.start(epoch);
///     while (std::optional<Batch> batch = loader.next()) ...
class Loader {
 public:
  /// Keeps a reference to `dataset`, which has to outlive the loader.
  /// Errors    ConfigError: batch < 1, or not divisible by shards; prefetch < 0, pad < 0 or as large
  ///           as the image, windows of images that aren't streamed, or drop_last leaves no batch;
  ///           check(dataset)'s.
  Loader(const Dataset& dataset, const LoaderOptions& options);
  Loader(const Dataset&&, const LoaderOptions&) = delete;
  Loader(const Loader&) = delete;  // the thread holds its address
  Loader& operator=(const Loader&) = delete;

  std::int64_t batches_per_epoch() const;

  /// Goes to a batch of an epoch; next() then gives that batch and those after it. Batches of an
  /// earlier start that were not fetched are dropped.
  /// Errors    ShapeError: epoch outside [0, 2^32), batch outside [0, batches_per_epoch()].
  void start(std::int64_t epoch, std::int64_t batch = 0);

  /// The next batch of the epoch; nothing at its end or before the first start().
  /// Errors    rethrows what stopped the thread. FileError: a streamed image can't be read.
  std::optional<Batch> next();

 private:
  std::optional<Batch> produce();
  std::vector<std::uint8_t> pixels_of(std::span<const std::int64_t> indices);

  const Dataset& dataset_;
  LoaderOptions options_;
  std::optional<ImageReader> reader_;  // of a streamed data set
  std::int64_t epoch_ = 0;
  std::int64_t next_batch_ = 0;
  std::int64_t next_shard_ = 0;      // of the own ones of that batch
  std::vector<std::int64_t> order_;  // of the images in this epoch; empty: not started
  std::unique_ptr<Prefetcher<Batch>> prefetcher_;  // uses all of the above, so it goes first
};

}  // namespace trifold::nn
