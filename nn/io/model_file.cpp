#include "nn/io/model_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "engine/json_text.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "nn/finite.h"
#include "nn/io/graph_json.h"
#include "nn/io/parameters.h"
#include "nn/io/pytorch_file.h"
#include "nn/io/weight_names.h"
#include "nn/onnx/import.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;
using nlohmann::json;

constexpr const char* info_key = "trifold.model";
constexpr const char* graph_key = "trifold.graph";

json parse(const SafetensorsFile& file, const char* key) {
  return engine::parse_json(file.metadata.at(key),
                            fmt::format("{}: the metadata entry '{}'", file.path.string(), key));
}

ModelInfo info_from_json(const json& j, const std::string& where) {
  try {
    ModelInfo info;
    j.at("arch").get_to(info.arch);
    j.at("side").get_to(info.side);
    j.at("data_side").get_to(info.data_side);
    // Older files do not say.
    info.resize = resize_filter(j.value("resize", to_string(info.resize)), where);
    j.at("mean").get_to(info.normalisation.mean);
    j.at("std").get_to(info.normalisation.std);
    j.at("class_names").get_to(info.class_names);
    j.at("original_channels").get_to(info.original_channels);
    info.provenance = j.at("provenance");
    return info;
  } catch (const json::exception& e) {
    throw FileError(fmt::format("{}: the metadata entry '{}' is damaged: {}", where, info_key,
                                engine::problem(e)));
  }
}

json to_json(const ModelInfo& info) {
  return {{"arch", info.arch},
          {"side", info.side},
          {"data_side", info.data_side},
          {"resize", to_string(info.resize)},
          {"mean", info.normalisation.mean},
          {"std", info.normalisation.std},
          {"class_names", info.class_names},
          {"original_channels", info.original_channels},
          {"provenance", info.provenance}};
}

// As require().
template <class E, class... Args>
void require_hint(bool condition, ModelFact fact, fmt::format_string<Args...> text,
                  Args&&... args) {
  if (!condition) throw HintError<E>(fact, fmt::format(text, std::forward<Args>(args)...));
}

// Throws an `E`: what is wrong stands in the file or was given by the user.
template <class E>
void check_normalisation(const Normalisation& n, std::int64_t channels, const std::string& where) {
  require<E>(std::ssize(n.mean) == channels && std::ssize(n.std) == channels,
             "{}: the network reads {} channels, but the normalisation has {} means and {} "
             "deviations",
             where, channels, n.mean.size(), n.std.size());
  require<E>(std::ranges::all_of(n.mean, [](float m) { return std::isfinite(m); }),
             "{}: the normalisation has a mean that is not finite", where);
  require<E>(std::ranges::all_of(n.std, [](float s) { return s > 0 && std::isfinite(s); }),
             "{}: the normalisation has a deviation that is not positive", where);
  // Pixels are numbers from 0 to 1 when they are normalised.
  const float mean = std::ranges::max(n.mean), deviation = std::ranges::max(n.std);
  require_hint<E>(mean <= 1 && deviation <= 1, ModelFact::normalisation,
                  "{}: the normalisation has a mean of {} and a deviation of {}, which look like "
                  "those of pixels from 0 to 255, but pixels are divided by 255 first, and so have "
                  "to be all means and deviations",
                  where, mean, deviation);
}

void check_info(const Network& network, const ModelInfo& info, const ModelHints& hints,
                const std::string& where) {
  const std::int64_t channels = network.graph().input_channels();
  if (hints.normalisation) {
    check_normalisation<ConfigError>(info.normalisation, channels, where);
  } else {
    check_normalisation<FileError>(info.normalisation, channels, where);
  }
  require<FileError>(info.provenance.is_array(), "{}: the provenance is not a list", where);
  require<FileError>(info.data_side >= 1, "{}: its data have an image side of {} pixels", where,
                     info.data_side);
  const std::int64_t classes = infer_channels(network.graph()).back();
  require<FileError>(info.class_names.empty() || std::ssize(info.class_names) == classes,
                     "{}: the network tells {} classes apart, but {} are named", where, classes,
                     info.class_names.size());
  try {
    infer_extents(network.graph(), info.side);
  } catch (const ShapeError& e) {
    if (hints.side) {
      throw HintError<ConfigError>(
          ModelFact::side, fmt::format("images of {0} x {0} pixels do not fit {1} ({2})", info.side,
                                       where, e.what()));
    }
    throw FileError(
        fmt::format("{}: the network does not fit its image side: {}", where, e.what()));
  }
}

std::string words(const std::vector<float>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

// Puts the user's facts in the place of the file's.
void override_facts(ModelInfo& info, const ModelHints& hints, const std::string& where) {
  const auto say = [&](const std::string& sentence) {
    if (hints.on_override) hints.on_override(fmt::format("{}: {}", where, sentence));
  };
  if (hints.normalisation && *hints.normalisation != info.normalisation) {
    say(fmt::format("means {} and deviations {} are used instead of the file's {} and {}",
                    words(hints.normalisation->mean), words(hints.normalisation->std),
                    words(info.normalisation.mean), words(info.normalisation.std)));
    info.normalisation = *hints.normalisation;
  }
  if (hints.side && *hints.side != info.side) {
    say(fmt::format("an image side of {} pixels is used instead of the file's {}", *hints.side,
                    info.side));
    info.side = *hints.side;
  }
  if (hints.resize && *hints.resize != info.resize) {
    say(fmt::format("images are resized with the filter '{}' instead of the file's '{}'",
                    to_string(*hints.resize), to_string(info.resize)));
    info.resize = *hints.resize;
  }
}

Model load_own(SafetensorsFile& file, const ModelHints& hints) {
  const std::string where = file.path.string();
  Graph graph = graph_from_json(parse(file, graph_key), where);
  adopt_names(file, graph);
  check_shapes(graph, "", file);
  ModelInfo info = info_from_json(parse(file, info_key), where);
  require_hint<ConfigError>(!hints.arch || *hints.arch == info.arch, ModelFact::arch,
                            "{} is a {} and says so itself, not a {}", where, info.arch,
                            hints.arch.value_or(""));
  override_facts(info, hints, where);
  return {Network(std::move(graph)), std::move(info)};
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

// The network of a plain file: how many classes it tells apart is in its last layer.
Graph plain_graph(SafetensorsFile& file, const std::string& arch, std::int64_t channels) {
  const std::string where = file.path.string();
  Graph graph = make_architecture(arch, channels, 1);
  adopt_names(file, graph);
  const std::string first = parameter_specs(graph).front().name;
  const auto filters = file.tensors.find(first);
  if (filters != file.tensors.end() && filters->second.shape.rank() == 4) {
    const std::int64_t read = filters->second.shape[1];
    require_hint<ConfigError>(read == channels, ModelFact::normalisation,
                              "{}: the network reads {} channels, but there are {} means", where,
                              read, channels);
  }
  Node& head = graph.node(graph.output());
  const std::string weight = head.name + ".weight";
  const auto found = file.tensors.find(weight);
  require_hint<FileError>(found != file.tensors.end(), ModelFact::arch,
                          "{}: there is no tensor '{}', nor another matrix that could be the last "
                          "layer of a {}",
                          where, weight, arch);
  const engine::Shape& shape = found->second.shape;
  require<FileError>(shape.rank() == 2 && shape[0] >= 1, "{}: tensor '{}' is not a matrix", where,
                     weight);
  std::get<Linear>(head.op).outputs = shape[0];
  check_shapes(graph, "", file);
  return graph;
}

Model load_plain(SafetensorsFile& file, const ModelHints& hints) {
  const std::string where = file.path.string();
  const auto entry = [&](const char* key) -> std::optional<std::string> {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? std::nullopt : std::optional(found->second);
  };
  ModelInfo info;
  std::optional<std::string> named = entry("arch");
  if (named && entry("shortcut") == "B" && !named->ends_with("b")) *named += "b";
  const std::optional<std::string> arch = hints.arch ? hints.arch : named;
  require_hint<ConfigError>(arch.has_value(), ModelFact::arch,
                            "{} does not say which network it holds", where);
  info.arch = *arch;
  if (hints.arch && named && hints.arch != named && hints.on_override) {
    hints.on_override(fmt::format("{}: it is read as a {}, not as the {} that it says it is", where,
                                  *arch, *named));
  }

  const auto mean = entry("mean"), deviation = entry("std"), input = entry("input");
  require_hint<ConfigError>(hints.normalisation || (mean && deviation), ModelFact::normalisation,
                            "{} does not say how its inputs are normalised", where);
  info.normalisation = mean && deviation ? Normalisation{parse_floats(*mean, where, "mean"),
                                                         parse_floats(*deviation, where, "std")}
                                         : *hints.normalisation;
  info.side = input ? parse_side(*input, where) : hints.side.value_or(usual_side(info.arch));
  info.data_side = info.side;
  override_facts(info, hints, where);

  const auto channels = static_cast<std::int64_t>(info.normalisation.mean.size());
  require<ConfigError>(channels >= 1, "{}: the normalisation names no channel", where);
  Graph graph = plain_graph(file, info.arch, channels);
  const std::int64_t classes = infer_channels(graph).back();
  for (std::int64_t i = 0; i < classes; ++i) info.class_names.push_back(std::to_string(i));
  info.provenance.push_back({{"step", "import"}, {"file", file.path.filename().string()}});
  return {Network(std::move(graph)), std::move(info)};
}

}  // namespace

Model load_model(const std::filesystem::path& path, const ModelHints& hints, Device device) {
  const std::string where = path.string();
  SafetensorsFile file;
  const auto load = [&]() -> Model {
    if (path.extension() == ".onnx") {
      OnnxNetwork network = import_onnx(path, hints);
      file = std::move(network.weights);
      override_facts(network.info, hints, where);
      check_shapes(network.graph, "", file);
      return {Network(std::move(network.graph)), std::move(network.info)};
    }
    file = is_pytorch(path) ? read_pytorch(path) : engine::read_safetensors(path);
    const bool own = file.metadata.contains(info_key) && file.metadata.contains(graph_key);
    return own ? load_own(file, hints) : load_plain(file, hints);
  };
  Model model = load();
  check_info(model.network, model.info, hints, where);
  if (device != Device{}) model.network = Network(model.network.graph(), device);
  restore_parameters(model.network, "", file);
  for (const auto& [name, tensor] : file.tensors) {
    require_hint<FileError>(model.network.has_parameter(name), ModelFact::arch,
                            "{}: tensor '{}' does not belong to a {}", where, name,
                            model.info.arch);
  }
  return model;
}

void save_model(const std::filesystem::path& path, const Model& model) {
  require_finite(model.network);
  std::map<std::string, engine::StoredTensor> tensors;
  store_parameters(model.network, "", tensors);
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
