#include "nn/onnx/onnx_model.h"

#include <bit>
#include <limits>
#include <protozero/pbf_writer.hpp>

#include "kernels/runtime/error.h"
#include "trifold/version.h"

namespace trifold::nn {
namespace {

using protozero::pbf_writer;

// The fields of onnx.proto that are written.
namespace model_field {
constexpr std::uint32_t ir_version = 1, producer_name = 2, producer_version = 3, graph = 7,
                        opset_import = 8, metadata_props = 14;
}
namespace opset_field {
constexpr std::uint32_t version = 2;
}
namespace entry_field {
constexpr std::uint32_t key = 1, value = 2;
}
namespace graph_field {
constexpr std::uint32_t node = 1, name = 2, initializer = 5, input = 11, output = 12;
}
namespace node_field {
constexpr std::uint32_t input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}
namespace attribute_field {
constexpr std::uint32_t name = 1, f = 2, i = 3, ints = 8, type = 20;
constexpr std::int32_t type_float = 1, type_int = 2, type_ints = 7;
}  // namespace attribute_field
namespace tensor_field {
constexpr std::uint32_t dims = 1, data_type = 2, name = 8, raw_data = 9;
}
namespace value_field {
constexpr std::uint32_t name = 1, type = 2;
}
namespace type_field {
constexpr std::uint32_t tensor_type = 1, elem_type = 1, shape = 2, dim = 1, dim_value = 1,
                        dim_param = 2;
}

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

void write_attribute(pbf_writer& node, const OnnxAttribute& attribute) {
  pbf_writer out(node, node_field::attribute);
  out.add_string(attribute_field::name, attribute.name);
  if (const auto* i = std::get_if<std::int64_t>(&attribute.value)) {
    out.add_int64(attribute_field::i, *i);
    out.add_enum(attribute_field::type, attribute_field::type_int);
  } else if (const auto* f = std::get_if<float>(&attribute.value)) {
    out.add_float(attribute_field::f, *f);
    out.add_enum(attribute_field::type, attribute_field::type_float);
  } else {
    for (std::int64_t value : std::get<std::vector<std::int64_t>>(attribute.value)) {
      out.add_int64(attribute_field::ints, value);
    }
    out.add_enum(attribute_field::type, attribute_field::type_ints);
  }
}

template <class T>
std::string_view raw(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

void OnnxModel::add_value(std::uint32_t field, const std::string& name, OnnxType type,
                          const OnnxExtents& extents) {
  pbf_writer graph(graph_);
  pbf_writer value(graph, field);
  value.add_string(value_field::name, name);
  pbf_writer type_of(value, value_field::type);
  pbf_writer tensor(type_of, type_field::tensor_type);
  tensor.add_int32(type_field::elem_type, static_cast<std::int32_t>(type));
  pbf_writer shape(tensor, type_field::shape);
  for (std::int64_t extent : extents) {
    pbf_writer dim(shape, type_field::dim);
    if (extent < 0) {
      dim.add_string(type_field::dim_param, "N");
    } else {
      dim.add_int64(type_field::dim_value, extent);
    }
  }
}

void OnnxModel::add_input(const std::string& name, OnnxType type, const OnnxExtents& extents) {
  add_value(graph_field::input, name, type, extents);
}

void OnnxModel::add_output(const std::string& name, OnnxType type, const OnnxExtents& extents) {
  add_value(graph_field::output, name, type, extents);
}

void OnnxModel::add_tensor(const std::string& name, const engine::Shape& shape, OnnxType type,
                           std::string_view bytes) {
  pbf_writer graph(graph_);
  pbf_writer tensor(graph, graph_field::initializer);
  for (std::int64_t extent : shape.extents()) tensor.add_int64(tensor_field::dims, extent);
  tensor.add_int32(tensor_field::data_type, static_cast<std::int32_t>(type));
  tensor.add_string(tensor_field::name, name);
  tensor.add_bytes(tensor_field::raw_data, bytes.data(), bytes.size());
}

std::string OnnxModel::add_floats(const std::string& name, const engine::Shape& shape,
                                  std::span<const float> values) {
  add_tensor(name, shape, OnnxType::float32, raw(values));
  return name;
}

std::string OnnxModel::add_integers(const std::string& name,
                                    const std::vector<std::int64_t>& values) {
  add_tensor(name, {std::ssize(values)}, OnnxType::int64,
             raw(std::span<const std::int64_t>(values)));
  return name;
}

std::string OnnxModel::add_node(const std::string& op, const std::string& name,
                                const std::vector<std::string>& inputs,
                                const std::vector<OnnxAttribute>& attributes) {
  pbf_writer graph(graph_);
  pbf_writer node(graph, graph_field::node);
  for (const std::string& input : inputs) node.add_string(node_field::input, input);
  node.add_string(node_field::output, name);
  node.add_string(node_field::name, name);
  node.add_string(node_field::op_type, op);
  for (const OnnxAttribute& attribute : attributes) write_attribute(node, attribute);
  return name;
}

void OnnxModel::add_metadata(const std::string& key, const std::string& value) {
  pbf_writer model(metadata_);
  pbf_writer entry(model, model_field::metadata_props);
  entry.add_string(entry_field::key, key);
  entry.add_string(entry_field::value, value);
}

std::string OnnxModel::bytes(const std::string& graph_name) const {
  std::string result;
  pbf_writer model(result);
  model.add_int64(model_field::ir_version, ir_version);
  model.add_string(model_field::producer_name, "Trifold");
  model.add_string(model_field::producer_version, TRIFOLD_VERSION);
  {
    pbf_writer versions(model, model_field::opset_import);
    versions.add_int64(opset_field::version, opset);
  }
  std::string graph = graph_;
  pbf_writer(graph).add_string(graph_field::name, graph_name);
  require<ConfigError>(graph.size() + metadata_.size() <
                           static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
                       "the network has {} bytes, but an ONNX file holds at most 2 GiB",
                       graph.size());
  model.add_message(model_field::graph, graph);
  return result + metadata_;
}

}  // namespace trifold::nn
