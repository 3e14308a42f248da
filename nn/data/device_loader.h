/// Batches of normalised images on a device.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/tensor.h"
#include "engine/upload.h"
#include "nn/data/loader.h"
#include "nn/data/normalisation.h"

namespace trifold::nn {

struct DeviceBatch {
  engine::Tensor x;       // (n, height, width, channels)
  engine::Tensor other;   // the same images, by the loader's other normalisation
  engine::Tensor labels;  // (n) int32
  std::int64_t n = 0;
};

/// A loader whose images are augmented and normalised by the device itself. The host sends bytes,
/// of the next batch while the device works on the last; see engine/upload.h and kernels/augment.h.
///
///     loader.start(epoch);
///     while (std::optional<DeviceBatch> batch = loader.next()) ...
class DeviceLoader {
 public:
  /// Keeps a reference to `dataset`, which has to outlive the loader. Streamed images are decoded by
  /// as many threads as `ex` has, whatever the options say.
  /// Errors    Loader's and pixel_table's.
  DeviceLoader(const Dataset& dataset, const Normalisation& normalisation,
               const LoaderOptions& options, const kernels::Exec& ex);
  DeviceLoader(const Dataset&&, const Normalisation&, const LoaderOptions&,
               const kernels::Exec&) = delete;

  /// Has every batch hold its images by another normalisation as well, for a network that reads
  /// them so.
  /// Errors    pixel_table's.
  void also_normalise(const Normalisation& other);

  std::int64_t batches_per_epoch() const { return loader_.batches_per_epoch(); }

  /// As Loader::start.
  void start(std::int64_t epoch, std::int64_t batch = 0);

  /// The next batch of the epoch; nothing at its end or before the first start(). It holds until the
  /// next call: batches of one size lie in the same memory.
  /// Errors    Loader's.
  std::optional<DeviceBatch> next();

 private:
  void upload_next();

  const Dataset& dataset_;
  kernels::Exec ex_;
  Loader loader_;
  engine::Tensor table_, other_table_;
  engine::Upload upload_;
  std::int64_t coming_ = 0;  // images of the batch that is being copied
  DeviceBatch batch_;
};

}  // namespace trifold::nn
