#include "nn/execute/executor.h"

#include <algorithm>

#include "kernels/runtime/error.h"
#include "nn/execute/forward_pass.h"

namespace trifold::nn {

Outputs Executor::forward(engine::Tape& tape, const engine::Var& x, const ForwardMode& mode,
                          std::span<const NodeId> taps) const {
  const Graph& graph = network_.graph();
  require<ShapeError>(x.shape().rank() == 4 && x.shape().channels() == graph.input_channels(),
                      "a network of {} input channels was given {}", graph.input_channels(),
                      engine::to_string(x.shape()));
  Outputs outputs;
  ForwardPass pass(network_, plan_, tape, x, mode, taps);
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (id > 0) pass.run(id);
    if (std::ranges::binary_search(taps, id)) outputs.taps.push_back(pass.value(id));
    for (NodeId input : graph.node(id).inputs) {
      if (plan_.last_reader[static_cast<std::size_t>(input)] == id) pass.release(input);
    }
  }
  outputs.logits = std::move(pass.value(graph.output()));
  return outputs;
}

}  // namespace trifold::nn
