/// How well a network does on a data set.
#pragma once

#include <cstdint>

#include "kernels/runtime/exec.h"
#include "nn/data/dataset.h"
#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

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

/// Images are normalised as `normalisation` says and resized where they have another size than
/// `size`.
/// Errors    ConfigError: images of other channels or classes than the network has. DivergedError: a
///           loss that is not finite.
Evaluation evaluate(const Network& network, const Dataset& dataset,
                    const Normalisation& normalisation, InputSize size, const kernels::Exec& ex,
                    std::int64_t batch = 250);

}  // namespace trifold::nn
