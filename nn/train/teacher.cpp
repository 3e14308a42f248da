#include "nn/train/teacher.h"

#include <zlib.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/runtime/error.h"
#include "nn/io/graph_json.h"

namespace trifold::nn {

void check(const Teacher& teacher, const Network& student) {
  require<ConfigError>(teacher.weight >= 0 && teacher.weight <= 1,
                       "the teacher's weight is {}; it has to be in [0, 1]", teacher.weight);
  require<ConfigError>(std::isfinite(teacher.temperature) && teacher.temperature > 0,
                       "the teacher's temperature is {}; it has to be above 0",
                       teacher.temperature);
  require<ConfigError>(teacher.network != nullptr && teacher.network->device() == student.device(),
                       "the teacher has to lie on the device of the network that it teaches");
  const Graph& graph = teacher.network->graph();
  require<ConfigError>(graph.input_channels() == student.graph().input_channels(),
                       "the teacher reads images of {} channels, the network that it teaches of {}",
                       graph.input_channels(), student.graph().input_channels());
  const std::int64_t classes = infer_channels(graph).back();
  const std::int64_t taught = infer_channels(student.graph()).back();
  require<ConfigError>(classes == taught,
                       "the teacher tells {} classes apart, the network that it teaches {}",
                       classes, taught);
  try {
    infer_extents(graph, teacher.size.side);
  } catch (const ShapeError& e) {
    throw ConfigError(fmt::format("images of {0}x{0} pixels don't fit the teacher ({1})",
                                  teacher.size.side, e.what()));
  }
}

std::uint32_t checksum(const Teacher& teacher) {
  const std::string facts = nlohmann::json{{"graph", to_json(teacher.network->graph())},
                                           {"side", teacher.size.side},
                                           {"resize", to_string(teacher.size.filter)},
                                           {"mean", teacher.normalisation.mean},
                                           {"std", teacher.normalisation.std}}
                                .dump();
  uLong crc = ::crc32(0, nullptr, 0);
  const auto add = [&](const void* data, std::size_t bytes) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(data), bytes);
  };
  add(facts.data(), facts.size());
  for (const Parameter& p : teacher.network->parameters()) {
    const engine::Tensor values = p.var.value.to(Device{});
    add(values.data(), static_cast<std::size_t>(values.bytes()));
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace trifold::nn
