#include "nn/train/sgd.h"

#include <vector>

#include "kernels/elementwise.h"
#include "kernels/optimizer.h"

namespace trifold::nn {

using engine::Tensor;

Sgd::Sgd(const Network& network, const SgdOptions& options, const kernels::Exec& ex)
    : options_(options),
      ex_(ex),
      lr_(Tensor::zeros({1}, ex.device)),
      decay_(Tensor::zeros({1}, ex.device)) {
  for (const Parameter& p : network.parameters()) {
    if (!is_trainable(p.role)) continue;
    momentum_[p.name] = Tensor::zeros(p.var.shape(), ex.device);
    if (options_.average) average_[p.name] = p.var.value.clone();
  }
}

void Sgd::set_learning_rate(double lr) {
  kernels::fill(ex_, 1, static_cast<float>(lr), lr_.data());
}

void Sgd::set_average_decay(double decay) {
  kernels::fill(ex_, 1, static_cast<float>(decay), decay_.data());
}

void Sgd::step(Network& network) {
  std::vector<Tensor> gradients;  // held until all are used
  std::vector<kernels::ParameterUpdate> updates;
  for (Parameter& p : network.parameters()) {
    if (!is_trainable(p.role)) continue;
    const Tensor gradient = p.var.gradient->take();
    if (!gradient.defined()) continue;
    const bool decays = p.role == Role::conv_weight || p.role == Role::depthwise_weight ||
                        p.role == Role::grouped_weight || p.role == Role::linear_weight;
    const kernels::SgdParams params{
        .lr = 0,  // lr_ instead
        .momentum = static_cast<float>(options_.momentum),
        .weight_decay = decays ? static_cast<float>(options_.weight_decay) : 0.0f,
        .l1 = p.role == Role::bn_gamma ? static_cast<float>(options_.bn_l1) : 0.0f,
        .nesterov = options_.nesterov};
    updates.push_back({gradient.size(), params, gradient.data(), momentum_.at(p.name).data(),
                       p.var.value.data(),
                       options_.average ? average_.at(p.name).data() : nullptr});
    gradients.push_back(gradient);
  }
  kernels::update_parameters(ex_, updates, lr_.data(), decay_.data());
}

}  // namespace trifold::nn
