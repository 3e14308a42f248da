#include <cmath>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/name_hash.h"
#include "nn/network.h"

namespace trifold::nn {

// The draw depends on a parameter's name, so that networks that share a layer start with the same
// values in it.
void initialise(Network& network, std::uint64_t seed) {
  for (Parameter& parameter : network.parameters()) {
    const engine::Shape& shape = parameter.var.shape();
    engine::Tensor host = engine::Tensor::empty(shape);
    engine::Random random(seed, engine::random_streams::initialise, hash_name(parameter.name));
    switch (parameter.role) {
      case Role::conv_weight:
      case Role::depthwise_weight:
      case Role::grouped_weight: {
        const std::int64_t filters = parameter.role == Role::depthwise_weight ? 1 : shape[3];
        const double deviation =
            std::sqrt(2.0 / static_cast<double>(shape[0] * shape[1] * filters));
        for (float& v : host.values()) v = static_cast<float>(deviation * random.normal());
        break;
      }
      case Role::linear_weight: {
        const double bound = 1.0 / std::sqrt(static_cast<double>(shape[0]));
        for (float& v : host.values())
          v = static_cast<float>(bound * (2.0 * random.uniform() - 1.0));
        break;
      }
      case Role::bn_gamma:
      case Role::running_var:
        host = engine::Tensor::filled(shape, 1.0f);
        break;
      case Role::bias:
      case Role::bn_beta:
      case Role::running_mean:
        host = engine::Tensor::zeros(shape);
        break;
    }
    parameter.var.value = host.to(network.device());
  }
}

Network with_new_head(const Network& network, std::int64_t classes, std::uint64_t seed) {
  Graph graph = network.graph();
  Node& head = graph.node(graph.output());
  require<ConfigError>(std::holds_alternative<Linear>(head.op),
                       "the last layer, '{}', is not a linear one that could be replaced",
                       head.name);
  std::get<Linear>(head.op).outputs = classes;
  const std::string own = head.name + ".";
  Network result(std::move(graph), network.device());
  initialise(result, seed);
  for (Parameter& p : result.parameters()) {
    if (!p.name.starts_with(own)) p.var.value = network.parameter(p.name).var.value.clone();
  }
  return result;
}

}  // namespace trifold::nn
