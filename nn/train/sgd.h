/// Stochastic gradient descent on a network's parameters.
#pragma once

#include <map>
#include <string>

#include "engine/tensor.h"
#include "nn/network.h"

namespace trifold::nn {

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 1e-4;  ///< of convolution and linear weights, not of batch norms and biases
  double bn_l1 = 0;            ///< weight of sum |gamma| over the batch norms (Network Slimming)
  bool average = false;        ///< keeps an average of the parameters, too
};

/// The state of the optimiser: a tensor for each trainable parameter, by its name.
class Sgd {
 public:
  Sgd(const Network& network, const SgdOptions& options, const kernels::Exec& ex);

  /// The learning rate, and the decay of the average, of the steps from now on; both start as 0. They
  /// lie on the device, so that a captured step takes the new ones, too.
  void set_learning_rate(double lr);
  void set_average_decay(double decay);

  /// Updates the parameters, and their average, by the gradients that a backward pass has left with
  /// them, and takes these. Parameters without a gradient stay. See kernels/optimizer.h.
  void step(Network& network);

  std::map<std::string, engine::Tensor>& momentum() { return momentum_; }
  const std::map<std::string, engine::Tensor>& momentum() const { return momentum_; }
  /// Empty without SgdOptions::average.
  std::map<std::string, engine::Tensor>& average() { return average_; }
  const std::map<std::string, engine::Tensor>& average() const { return average_; }

 private:
  SgdOptions options_;
  kernels::Exec ex_;
  engine::Tensor lr_, decay_;  // (1)
  std::map<std::string, engine::Tensor> momentum_, average_;
};

}  // namespace trifold::nn
