/// What a target counts: the cost of a pruned network as a fraction of the original's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "map/cost.h"
#include "map/point.h"
#include "nn/graph.h"

namespace trifold::pruning {

/// A network of the space and what it costs.
struct CostSample {
  map::Point at;
  double ratio;
};

class Times;  // pruning/latency/times.h

/// a, b, c of the power law d^a w^b r^c that is nearest to the samples, by least squares of the
/// logarithms. A cost that shrinking a dimension would raise is taken for one that the dimension
/// leaves alone, with 0.
std::array<double, 3> power_law_exponents(const std::vector<CostSample>& samples);

/// One way to count, for one original.
class CostModel {
 public:
  virtual ~CostModel() = default;

  /// Remaining fraction of the original's cost of the network `graph` for images of side x side,
  /// which lies at the shares `at` of the original. It must not fall where the same network keeps
  /// more channels, unless may_fall_with_width() says so.
  virtual double ratio(const map::Point& at, const nn::Graph& graph, std::int64_t side) const = 0;

  /// Whether a network that keeps more channels may cost less.
  virtual bool may_fall_with_width() const { return false; }

  /// The same in continuous d, w, r, for the solver: unless the model knows better, the power law of
  /// power_law_exponents().
  virtual map::CostModel continuous(const std::vector<CostSample>& samples) const;
};

/// A cost model that can be asked for by name.
struct CostModelEntry {
  std::string name, help;
  std::function<std::unique_ptr<CostModel>(const nn::Graph&, std::int64_t side, Times*)> maker;

  /// Models of measured times need `times`, which then outlives the result.
  std::unique_ptr<CostModel> make(const nn::Graph& original, std::int64_t side,
                                  Times* times = nullptr) const {
    return maker(original, side, times);
  }
};

/// All of them, the default first.
const std::vector<CostModelEntry>& cost_models();

/// Errors    ConfigError that lists the names.
const CostModelEntry& cost_model(const std::string& name);

}  // namespace trifold::pruning
