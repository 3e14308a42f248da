/// The structure in a model's metadata, and what pruning asks of it.
#include "nn/io/graph_json.h"

#include "engine/json_text.h"
#include "nn/least_bytes.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/width.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  fuzz::expect_sentence([&] {
    const nn::Graph graph =
        nn::graph_from_json(engine::parse_json(fuzz::text_of(data, size), "input"), "input");
    std::int64_t channels = 0;
    for (const std::int64_t c : nn::infer_channels(graph)) channels += c;
    if (channels > 10'000) return;  // large, not wrong
    for (const std::int64_t side : {1, 8, 1'000'000}) {
      try {
        nn::least_bytes(graph, side);
        pruning::count_cost(graph, side);
      } catch (const ShapeError&) {  // the side doesn't fit it
      }
    }
    pruning::min_depth(graph);
    for (const auto mode : {pruning::WidthMode::inner, pruning::WidthMode::stream}) {
      pruning::find_units(graph, mode, true);
    }
    try {
      if (nn::graph_from_json(nn::to_json(graph), "again") != graph) std::abort();
    } catch (const FileError&) {  // what was read has to be what can be written
      std::abort();
    }
  });
  return 0;
}
