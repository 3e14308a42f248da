#include "nn/model.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "kernels/error.h"
#include "nn/arch/architectures.h"
#include "nn/graph_json.h"
#include "nn/weight_layout.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;
using nlohmann::json;

constexpr const char* info_key = "trifold.model";
constexpr const char* graph_key = "trifold.graph";

json parse(const SafetensorsFile& file, const char* key) {
  const json document = json::parse(file.metadata.at(key), nullptr, /*allow_exceptions=*/false);
  require<FileError>(!document.is_discarded(), "{}: the metadata entry '{}' is not JSON",
                     file.path.string(), key);
  return document;
}

ModelInfo info_from_json(const json& j, const std::string& where) {
  try {
    ModelInfo info;
    j.at("arch").get_to(info.arch);
    j.at("side").get_to(info.side);
    j.at("data_side").get_to(info.data_side);
    j.at("mean").get_to(info.normalisation.mean);
    j.at("std").get_to(info.normalisation.std);
    j.at("class_names").get_to(info.class_names);
    j.at("original_channels").get_to(info.original_channels);
    info.provenance = j.at("provenance");
    return info;
  } catch (const json::exception& e) {
    throw FileError(
        fmt::format("{}: the metadata entry '{}' is damaged: {}", where, info_key, e.what()));
  }
}

json to_json(const ModelInfo& info) {
  return {{"arch", info.arch},
          {"side", info.side},
          {"data_side", info.data_side},
          {"mean", info.normalisation.mean},
          {"std", info.normalisation.std},
          {"class_names", info.class_names},
          {"original_channels", info.original_channels},
          {"provenance", info.provenance}};
}

void check_info(const Network& network, const ModelInfo& info, const std::string& where) {
  const auto channels = static_cast<std::size_t>(network.graph().input_channels());
  require<FileError>(
      info.normalisation.mean.size() == channels && info.normalisation.std.size() == channels,
      "{}: the network reads {} channels, but the normalisation has {} means and {} "
      "deviations",
      where, channels, info.normalisation.mean.size(), info.normalisation.std.size());
  require<FileError>(
      std::ranges::all_of(info.normalisation.mean, [](float m) { return std::isfinite(m); }),
      "{}: the normalisation has a mean that is not finite", where);
  require<FileError>(info.provenance.is_array(), "{}: the provenance is not a list", where);
  require<FileError>(std::ranges::all_of(info.normalisation.std,
                                         [](float s) { return s > 0 && std::isfinite(s); }),
                     "{}: the normalisation has a deviation that is not positive", where);
  const std::int64_t classes = infer_channels(network.graph()).back();
  require<FileError>(info.class_names.empty() || std::ssize(info.class_names) == classes,
                     "{}: the network tells {} classes apart, but {} are named", where, classes,
                     info.class_names.size());
  try {
    infer_extents(network.graph(), info.side);
  } catch (const ShapeError& e) {
    throw FileError(
        fmt::format("{}: the network does not fit its image side: {}", where, e.what()));
  }
}

// Compares shapes before anything is allocated for a structure that a file claims to have.
void check_shapes(const Graph& graph, const std::string& prefix, const SafetensorsFile& file) {
  const std::string where = file.path.string();
  try {
    for (const ParameterSpec& spec : parameter_specs(graph)) {
      const std::string name = prefix + spec.name;
      const engine::Shape wanted = file_shape(spec.role, spec.shape), &found = file.at(name).shape;
      require<FileError>(found == wanted, "{}: tensor '{}' has the shape {}, the network needs {}",
                         where, name, to_string(found), to_string(wanted));
    }
  } catch (const ShapeError& e) {
    throw FileError(fmt::format("{}: the network's structure is damaged: {}", where, e.what()));
  }
}

Model load_own(const SafetensorsFile& file) {
  const std::string where = file.path.string();
  Graph graph = graph_from_json(parse(file, graph_key), where);
  check_shapes(graph, "", file);
  return {Network(std::move(graph)), info_from_json(parse(file, info_key), where)};
}

// "0.485 0.456 0.406", commas allowed.
std::vector<float> parse_floats(std::string text, const std::string& where, const char* key) {
  std::ranges::replace(text, ',', ' ');
  std::istringstream stream(text);
  std::vector<float> values;
  for (std::string word; stream >> word;) {
    float value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require<FileError>(error == std::errc{} && end == word.data() + word.size(),
                       "{}: '{}' in the metadata entry '{}' is not a number", where, word, key);
    values.push_back(value);
  }
  return values;
}

// "3x32x32" -> 32.
std::int64_t parse_side(const std::string& text, const std::string& where) {
  std::int64_t side = 0;
  const std::size_t last = text.rfind('x');
  const char* begin = text.data() + (last == std::string::npos ? 0 : last + 1);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), side);
  require<FileError>(error == std::errc{} && end == text.data() + text.size() && side > 0,
                     "{}: the metadata entry 'input' is '{}', not CHANNELSxHEIGHTxWIDTH", where,
                     text);
  return side;
}

Model load_plain(const SafetensorsFile& file, const PlainFileHints& hints) {
  const std::string where = file.path.string();
  const auto entry = [&](const char* key) -> std::optional<std::string> {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::nullopt : std::optional(found->second);
  };
  ModelInfo info;
  const std::optional<std::string> arch = hints.arch ? hints.arch : entry("arch");
  require<ConfigError>(arch.has_value(),
                       "{} does not say which network it holds; give --arch (such as resnet20)",
                       where);
  info.arch = *arch;
  if (!hints.arch && entry("shortcut") == "B" && !info.arch.ends_with("b")) info.arch += "b";

  if (hints.normalisation) {
    info.normalisation = *hints.normalisation;
  } else {
    const auto mean = entry("mean"), deviation = entry("std");
    require<ConfigError>(mean && deviation,
                         "{} does not say how its inputs are normalised; give --mean and --std",
                         where);
    info.normalisation = {parse_floats(*mean, where, "mean"),
                          parse_floats(*deviation, where, "std")};
  }
  const auto input = entry("input");
  info.side = hints.side ? *hints.side : input ? parse_side(*input, where) : 32;
  info.data_side = info.side;

  const char* head = file.tensors.contains("linear.weight") ? "linear.weight" : "fc.weight";
  const engine::Shape& classes = file.at(head).shape;
  require<FileError>(classes.rank() == 2 && classes[0] >= 1, "{}: tensor '{}' is not a matrix",
                     where, head);
  const auto channels = static_cast<std::int64_t>(info.normalisation.mean.size());
  require<ConfigError>(channels >= 1, "{}: the normalisation names no channel", where);
  Graph graph = make_architecture(info.arch, channels, classes[0]);
  check_shapes(graph, "", file);
  Network network(std::move(graph));
  for (std::int64_t i = 0; i < classes[0]; ++i) info.class_names.push_back(std::to_string(i));
  info.provenance.push_back({{"step", "import"}, {"file", file.path.filename().string()}});
  return {std::move(network), std::move(info)};
}

}  // namespace

void store_parameters(const Network& network, const std::string& prefix,
                      std::map<std::string, engine::StoredTensor>& tensors) {
  for (const Parameter& p : network.parameters()) {
    tensors[prefix + p.name] = engine::StoredTensor::from(to_file_layout(p.role, p.var.value));
  }
}

void restore_parameters(Network& network, const std::string& prefix, const SafetensorsFile& file) {
  check_shapes(network.graph(), prefix, file);
  for (Parameter& p : network.parameters()) {
    const std::string name = prefix + p.name;
    const engine::Tensor stored = file.floats(name);
    require<FileError>(
        std::ranges::all_of(stored.values(), [](float v) { return std::isfinite(v); }),
        "{}: tensor '{}' holds a value that is not finite", file.path.string(), name);
    p.var.value = from_file_layout(p.role, stored).to(network.device());
  }
}

Model load_model(const std::filesystem::path& path, const PlainFileHints& hints, Device device) {
  const SafetensorsFile file = engine::read_safetensors(path);
  const std::string where = path.string();
  const bool own = file.metadata.contains(info_key) && file.metadata.contains(graph_key);
  Model model = own ? load_own(file) : load_plain(file, hints);
  check_info(model.network, model.info, where);
  if (device != Device{}) model.network = Network(model.network.graph(), device);
  restore_parameters(model.network, "", file);
  for (const auto& [name, tensor] : file.tensors) {
    require<FileError>(model.network.has_parameter(name) || name.ends_with(".num_batches_tracked"),
                       "{}: tensor '{}' does not belong to a {}; is --arch right?", where, name,
                       model.info.arch);
  }
  return model;
}

void save_model(const std::filesystem::path& path, const Model& model) {
  std::map<std::string, engine::StoredTensor> tensors;
  store_parameters(model.network, "", tensors);
  const auto words = [](const std::vector<float>& values) {
    return fmt::format("{}", fmt::join(values, " "));
  };
  engine::write_safetensors(path,
                            {{info_key, to_json(model.info).dump()},
                             {graph_key, to_json(model.network.graph()).dump()},
                             {"format", "pt"},
                             {"arch", model.info.arch},
                             {"mean", words(model.info.normalisation.mean)},
                             {"std", words(model.info.normalisation.std)}},
                            tensors);
}

}  // namespace trifold::nn
