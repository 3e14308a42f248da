#include "nn/data/device_loader.h"

#include <cstring>
#include <span>

#include "kernels/runtime/memory.h"
#include "kernels/runtime/thread_pool.h"
#include "kernels/runtime/trace.h"

namespace trifold::nn {
namespace {

using engine::Tensor;
using kernels::Crop;

/// Where the parts of a batch of n images lie in what is sent: the strictest alignment first.
struct Layout {
  std::int64_t crops = 0, labels, pixels, end;

  Layout(std::int64_t n, std::int64_t image_bytes)
      : labels(n * static_cast<std::int64_t>(sizeof(Crop))),
        pixels(labels + n * static_cast<std::int64_t>(sizeof(std::int32_t))),
        end(pixels + n * image_bytes) {}
};

template <class T>
void put(std::byte* to, const std::vector<T>& values) {
  std::memcpy(to, values.data(), values.size() * sizeof(T));
}

/// A thread that decodes for each that computes.
LoaderOptions with_threads(LoaderOptions options, const kernels::Exec& ex) {
  options.threads = ex.pool != nullptr ? ex.pool->threads() : 1;
  return options;
}

Tensor table_of(const Dataset& dataset, const Normalisation& normalisation, Device device) {
  const std::vector<float> table = pixel_table(normalisation, dataset.channels);
  return Tensor::from({dataset.channels, 256}, std::span<const float>(table), device);
}

}  // namespace

DeviceLoader::DeviceLoader(const Dataset& dataset, const Normalisation& normalisation,
                           const LoaderOptions& options, const kernels::Exec& ex)
    : dataset_(dataset),
      ex_(ex),
      loader_(dataset, with_threads(options, ex)),
      table_(table_of(dataset, normalisation, ex.device)),
      upload_(ex.device) {}

void DeviceLoader::also_normalise(const Normalisation& other) {
  other_table_ = table_of(dataset_, other, ex_.device);
  batch_ = {};
}

void DeviceLoader::start(std::int64_t epoch, std::int64_t batch) {
  loader_.start(epoch, batch);
  if (coming_ > 0) {  // of an earlier start
    upload_.take();
    upload_.done();
  }
  upload_next();
}

void DeviceLoader::upload_next() {
  const std::optional<Batch> batch = loader_.next();
  coming_ = batch ? batch->n : 0;
  if (!batch) return;
  const Layout layout(batch->n, dataset_.image_bytes());
  upload_.begin(layout.end, [&](std::byte* to) {
    put(to + layout.crops, batch->crops);
    put(to + layout.labels, batch->labels);
    put(to + layout.pixels, batch->pixels);
  });
}

std::optional<DeviceBatch> DeviceLoader::next() {
  if (coming_ == 0) return std::nullopt;
  const kernels::TraceRange range("batch");
  const kernels::AugmentShape s{coming_, dataset_.height, dataset_.width, dataset_.channels};
  if (batch_.n != s.n) {
    const auto images = [&] { return Tensor::empty({s.n, s.h, s.w, s.c}, ex_.device); };
    batch_ = {images(), other_table_.defined() ? images() : Tensor{},
              Tensor::empty({s.n}, ex_.device, engine::DType::i32), s.n};
  }
  const Layout layout(s.n, dataset_.image_bytes());
  const std::byte* const sent = upload_.take();
  const auto augment = [&](const Tensor& table, Tensor& images) {
    kernels::augment(ex_, s, reinterpret_cast<const std::uint8_t*>(sent + layout.pixels),
                     reinterpret_cast<const Crop*>(sent + layout.crops), table.data(),
                     images.data());
  };
  augment(table_, batch_.x);
  if (other_table_.defined()) augment(other_table_, batch_.other);
  kernels::copy_memory(ex_.device, batch_.labels.ints(), ex_.device, sent + layout.labels,
                       batch_.labels.bytes());
  upload_.done();
  upload_next();
  return batch_;
}

}  // namespace trifold::nn
