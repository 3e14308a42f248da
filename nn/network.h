/// A graph with its parameters: what is trained, pruned and stored.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/tape.h"
#include "nn/graph.h"

namespace trifold::nn {

/// Whether the optimiser updates it, or only the batch norms' running statistics do.
bool is_trainable(Role role);

/// One parameter that a graph needs: conv weights (r,s,c,k), in groups (r,s,c/groups,k), depthwise
/// ones (r,s,c), linear weights (in,out), the rest (c). Names are PyTorch's: <node>.weight, .bias, .running_mean, .running_var.
struct ParameterSpec {
  std::string name;
  Role role;
  engine::Shape shape;
};

/// All parameters of a graph, in the order of its nodes.
std::vector<ParameterSpec> parameter_specs(const Graph& graph);

struct Parameter {
  std::string name;
  Role role;
  engine::Var var;
};

/// A network on one device. Move-only: two networks never share parameters by accident.
class Network {
 public:
  /// Takes over a graph that passes validate(); parameters are zero, running variances one.
  explicit Network(Graph graph, Device device = {});
  Network(Network&&) = default;
  Network& operator=(Network&&) = default;

  /// A network of its own with equal parameters.
  Network clone() const { return to(device_); }
  /// The same on another device.
  Network to(Device device) const;

  const Graph& graph() const { return graph_; }
  Device device() const { return device_; }
  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Errors    ShapeError: no parameter of that name.
  Parameter& parameter(const std::string& name);
  const Parameter& parameter(const std::string& name) const;
  bool has_parameter(const std::string& name) const { return index_.contains(name); }

 private:
  Graph graph_;
  Device device_;
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t> index_;
};

/// Fills a network with fresh values: convolutions from a normal distribution of variance
/// 2 / (k r s) (He et al., 2015, by fan-out; k is 1 for depthwise ones), linear layers uniform in
/// +-1/sqrt(in), gamma 1, beta 0, running statistics 0 and 1. A function of the seed and the
/// parameters' names alone.
void initialise(Network& network, std::uint64_t seed);

/// The network with another last layer in place of its own: one of `classes` outputs with the fresh
/// values that initialise() gives it. All else is copied.
/// Errors    ConfigError: the last layer is not a linear one.
Network with_new_head(const Network& network, std::int64_t classes, std::uint64_t seed);

}  // namespace trifold::nn
