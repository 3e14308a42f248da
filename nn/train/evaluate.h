/// Running a network over a data set without training it.
#pragma once

#include <cstdint>

#include "nn/data/dataset.h"
#include "nn/data/device_loader.h"
#include "nn/model.h"

namespace trifold::nn {

struct Evaluation {
  std::int64_t images = 0;
  std::int64_t correct = 0;
  double loss = 0;          ///< mean cross-entropy
  double images_per_s = 0;  ///< of the forward passes, data loading included

  double top1() const {  ///< percent
    return 100.0 * static_cast<double>(correct) / static_cast<double>(images);
  }
};

/// Images are normalised as `normalisation` says and resized to side x side, anti-aliased, where
/// they differ from that.
/// Errors    ConfigError: images of other channels or classes than the network has. DivergedError: a
///           loss that is not finite.
Evaluation evaluate(const Network& network, const Dataset& dataset,
                    const Normalisation& normalisation, std::int64_t side, const kernels::Exec& ex,
                    std::int64_t batch = 250);

/// Images a second of inference alone, on batches of side x side images that lie on the device
/// already: the median of the passes of about a second, at least three, after one to warm up.
double inference_rate(const Network& network, std::int64_t side, const kernels::Exec& ex,
                      std::int64_t batch = 128);

/// The running statistics of all batch norms, measured anew: the average over the statistics of
/// `batches` batches of training images, drawn with `seed`. After surgery, and after a change of
/// resolution, the old ones are wrong.
void reestimate_batch_norm(Network& network, const Dataset& dataset,
                           const Normalisation& normalisation, std::int64_t side,
                           const kernels::Exec& ex, std::uint64_t seed, std::int64_t batches = 20,
                           std::int64_t batch = 128);

/// Images (n,height,width,channels) as the input of a network: resized to side x side, without a
/// gradient.
engine::Var network_input(const kernels::Exec& ex, const engine::Tensor& images, std::int64_t side);

/// Throws ConfigError unless the images and labels of `dataset` fit the network.
void check_fits(const Network& network, const Dataset& dataset);

}  // namespace trifold::nn
