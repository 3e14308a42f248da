/// Uses something of each library, and includes headers as the tree itself does.
#include <iostream>

#include "map/predictor.h"
#include "nn/arch/architectures.h"
#include "nn/network.h"
#include "pruning/cost.h"
#include "trifold/version.h"

using namespace trifold;

int main() {
  const nn::Graph graph = nn::make_architecture("resnet20", 3, 10);
  const nn::Network network(graph);
  map::PredictorData constant;
  constant.kind = "full_tensor";
  constant.coefficients = {0.9};
  std::cout << "Trifold " << TRIFOLD_VERSION << ": resnet20 has " << network.graph().size()
            << " nodes and " << pruning::count_cost(graph, 32).macs << " MACs; "
            << map::make_predictor(constant)->value({1, 1, 1}) << "\n";
  return 0;
}
