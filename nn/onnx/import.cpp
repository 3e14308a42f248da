#include "nn/onnx/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "engine/json_text.h"
#include "kernels/runtime/error.h"
#include "nn/onnx/blocks.h"
#include "nn/onnx/lower.h"
#include "nn/onnx/onnx_file.h"
#include "nn/onnx/onnx_model.h"

namespace trifold::nn {
namespace {

constexpr std::int64_t least_opset = 9;

struct ImageInput {
  std::string name;
  std::int64_t channels, side;
};

ImageInput image_input(const OnnxFile& file, const ModelHints& hints, const std::string& where) {
  require<FileError>(file.inputs.size() == 1 && file.outputs.size() == 1,
                     "{}: the graph has {} inputs and {} outputs; a network has one of each", where,
                     file.inputs.size(), file.outputs.size());
  const OnnxInput& input = file.inputs.front();
  require<FileError>(
      input.type == static_cast<std::int32_t>(OnnxType::float32) && input.extents.size() == 4 &&
          input.extents[1] >= 1 && input.extents[1] <= max_extent,
      "{}: the input '{}' isn't floats (N, channels, height, width)", where, input.name);
  const std::int64_t height = input.extents[2], width = input.extents[3];
  const bool fixed = height >= 1 && width >= 1;
  if (!fixed && !hints.side) {
    throw HintError<ConfigError>(ModelFact::side,
                                 fmt::format("{} leaves the side of its images open", where));
  }
  require<FileError>(!fixed || height == width, "{}: its images have {} x {} pixels, not a square",
                     where, height, width);
  return {input.name, input.extents[1], fixed ? height : *hints.side};
}

// A list that to_onnx() wrote.
template <class T>
std::optional<std::vector<T>> list_of(const OnnxFile& file, const std::string& key,
                                      const std::string& where) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return std::nullopt;
  const std::string entry = fmt::format("{}: the metadata entry '{}'", where, key);
  try {
    return engine::parse_json(found->second, entry).template get<std::vector<T>>();
  } catch (const nlohmann::json::exception& e) {
    throw FileError(fmt::format("{}: {}", entry, engine::problem(e)));
  }
}

ModelInfo info_of(const OnnxFile& file, const ModelHints& hints, const ImageInput& input,
                  std::int64_t classes, const std::filesystem::path& path) {
  const std::string where = path.string();
  ModelInfo info;
  const auto arch = file.metadata.find("arch");
  info.arch = hints.arch                    ? *hints.arch
              : arch != file.metadata.end() ? arch->second
                                            : path.stem().string();
  info.side = info.data_side = input.side;
  const auto resize = file.metadata.find("resize");
  if (resize != file.metadata.end()) {
    info.resize = resize_filter(resize->second, where + ": the metadata entry 'resize'");
  }
  const auto mean = list_of<float>(file, "mean", where),
             deviation = list_of<float>(file, "std", where);
  if (mean && deviation) {
    info.normalisation = {*mean, *deviation};
  } else if (hints.normalisation) {
    info.normalisation = *hints.normalisation;
  } else {
    throw HintError<ConfigError>(
        ModelFact::normalisation,
        fmt::format("{} does not say how its inputs are normalised", where));
  }
  info.class_names =
      list_of<std::string>(file, "classes", where).value_or(std::vector<std::string>());
  if (info.class_names.empty()) {
    for (std::int64_t i = 0; i < classes; ++i) info.class_names.push_back(std::to_string(i));
  }
  info.provenance.push_back({{"step", "import"}, {"file", path.filename().string()}});
  return info;
}

}  // namespace

OnnxNetwork import_onnx(const std::filesystem::path& path, const ModelHints& hints) {
  const std::string where = path.string();
  const OnnxFile file = read_onnx(path);
  // Batch norms meant something else before.
  require<FileError>(file.opset >= least_opset,
                     "{}: its operators are of version {}; export it with {} or later", where,
                     file.opset, least_opset);
  const ImageInput input = image_input(file, hints, where);
  LoweredOnnx lowered =
      lower_onnx(file, input.name, {input.side, input.side, input.channels}, where);
  OnnxNetwork network{.graph = std::move(lowered.graph), .info = {}, .weights = {}};
  try {
    validate(network.graph);
    network.graph.blocks = find_blocks(network.graph, input.side);
  } catch (const ShapeError& e) {
    throw FileError(fmt::format("{}: the network doesn't fit together: {}", where, e.what()));
  }
  network.info = info_of(file, hints, input, infer_channels(network.graph).back(), path);
  network.weights.path = path;
  for (auto& [name, tensor] : lowered.weights) {
    engine::StoredTensor& stored = network.weights.tensors[name];
    stored.shape = tensor.shape;
    stored.bytes.resize(tensor.floats.size() * sizeof(float));
    std::memcpy(stored.bytes.data(), tensor.floats.data(), stored.bytes.size());
    tensor.floats = {};  // so that no third copy of all weights is there at any time
  }
  return network;
}

}  // namespace trifold::nn
