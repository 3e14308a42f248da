/// A graph with its parameters: what is trained, pruned and stored.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "nn/graph.h"
#include "nn/norm_fusion.h"

namespace trifold::nn {

enum class Role { conv_weight, linear_weight, bias, bn_gamma, bn_beta, running_mean, running_var };

/// Whether the optimiser updates it, or only the batch norms' running statistics do.
bool is_trainable(Role role);

/// One parameter that a graph needs: conv weights (r,s,c,k), linear weights (in,out), the rest (c).
/// Names are PyTorch's: <node>.weight, .bias, .running_mean, .running_var.
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

/// How the batch norms of a forward pass behave. With statistics of the batch, the running ones
/// move by `momentum` towards them, and batch norms may be fused with the convolutions around them
/// (nn/norm_fusion.h), which changes results by rounding alone.
struct ForwardMode {
  engine::Statistics statistics;
  float momentum = 0.1f;
  bool fused = true;
};
inline constexpr ForwardMode training{engine::Statistics::batch};
inline constexpr ForwardMode inference{engine::Statistics::running};

/// The result of a forward pass: the logits and the values that were asked for.
struct Outputs {
  engine::Var logits;
  std::vector<engine::Var> taps;
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

  /// Runs the graph on images x (n,h,w,c). A value is released after its last reader, unless the
  /// tape needs it. `statistics` says where the batch norms take theirs from. `taps` names nodes
  /// whose values are wanted besides the logits, in ascending order.
  Outputs forward(engine::Tape& tape, const engine::Var& x, const ForwardMode& mode,
                  std::span<const NodeId> taps = {}) const;

  /// What a ForwardPass needs: the channels that a ChannelGather picks, and how batch norms are
  /// fused.
  const engine::Tensor& gather_source(NodeId id) const { return gather_sources_.at(id); }
  const NormFusion& norm_fusion() const { return norm_fusion_; }

 private:
  Graph graph_;
  Device device_;
  std::vector<Parameter> parameters_;
  std::map<std::string, std::size_t> index_;
  std::map<NodeId, engine::Tensor> gather_sources_;
  std::vector<NodeId> last_reader_;
  NormFusion norm_fusion_;
};

/// Fills a network with fresh values: convolutions from a normal distribution of variance
/// 2 / (k r s) (He et al., 2015, by fan-out), linear layers uniform in +-1/sqrt(in), gamma 1, beta
/// 0, running statistics 0 and 1. A function of the seed and the parameters' names alone.
void initialise(Network& network, std::uint64_t seed);

/// The network with another last layer in place of its own: one of `classes` outputs with the fresh
/// values that initialise() gives it. All else is copied.
/// Errors    ConfigError: the last layer is not a linear one.
Network with_new_head(const Network& network, std::int64_t classes, std::uint64_t seed);

}  // namespace trifold::nn
