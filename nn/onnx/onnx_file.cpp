#include "nn/onnx/onnx_file.h"

#include <bit>
#include <cstring>
#include <limits>
#include <protozero/pbf_reader.hpp>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/onnx/onnx_model.h"

namespace trifold::nn {
namespace {

using protozero::pbf_reader;

constexpr std::int32_t type_int32 = 6;

// Far more than any network has; what is done to each stays bounded. Two bytes make a node.
constexpr std::size_t most_nodes = 10000;

// A field as what it is meant to be. protozero only asserts that the file has it so.
pbf_reader& expect(pbf_reader& field, protozero::pbf_wire_type type) {
  if (field.wire_type() != type) throw protozero::unknown_pbf_wire_type_exception();
  return field;
}
std::int64_t integer(pbf_reader& field) {
  return expect(field, protozero::pbf_wire_type::varint).get_int64();
}
std::int32_t small_integer(pbf_reader& field) {
  return expect(field, protozero::pbf_wire_type::varint).get_int32();
}
float number(pbf_reader& field) {
  return expect(field, protozero::pbf_wire_type::fixed32).get_float();
}
std::string text(pbf_reader& field) {
  return expect(field, protozero::pbf_wire_type::length_delimited).get_string();
}
pbf_reader inner(pbf_reader& field) {
  return expect(field, protozero::pbf_wire_type::length_delimited).get_message();
}

// Repeated numbers, packed into one field or each in its own.
template <class T, class Single, class Packed>
void append(std::vector<T>& values, pbf_reader& message, Single single, Packed packed) {
  if (message.wire_type() != protozero::pbf_wire_type::length_delimited) {
    values.push_back(static_cast<T>(single(message)));
    return;
  }
  for (auto value : packed(message)) values.push_back(static_cast<T>(value));
}

void append_int64(std::vector<std::int64_t>& values, pbf_reader& message) {
  append(
      values, message, [](pbf_reader& m) { return integer(m); },
      [](pbf_reader& m) { return m.get_packed_int64(); });
}

template <class T, class Wide>
std::vector<Wide> unpack(protozero::data_view raw, std::int64_t count, const std::string& what) {
  require<FileError>(raw.size() == static_cast<std::size_t>(count) * sizeof(T),
                     "{} has {} bytes for {} elements", what, raw.size(), count);
  std::vector<Wide> values(static_cast<std::size_t>(count));
  static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    values[i] = value;
  }
  return values;
}

struct NamedTensor {
  std::string name;
  OnnxTensor tensor;
};

NamedTensor read_tensor(pbf_reader message, const std::string& where) {
  NamedTensor result;
  OnnxTensor& t = result.tensor;
  std::vector<std::int64_t> extents;
  std::optional<protozero::data_view> raw;  // of the file's bytes
  bool external = false;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        append_int64(extents, message);
        break;
      case 2:
        t.type = small_integer(message);
        break;
      case 4:
        append(
            t.floats, message, [](pbf_reader& m) { return number(m); },
            [](pbf_reader& m) { return m.get_packed_float(); });
        break;
      case 5:
        append(
            t.integers, message, [](pbf_reader& m) { return small_integer(m); },
            [](pbf_reader& m) { return m.get_packed_int32(); });
        break;
      case 7:
        append_int64(t.integers, message);
        break;
      case 8:
        result.name = text(message);
        break;
      case 9:
        raw = expect(message, protozero::pbf_wire_type::length_delimited).get_view();
        break;
      case 14:
        external = small_integer(message) != 0;
        break;
      default:
        message.skip();
    }
  }
  const std::string what = fmt::format("{}: tensor '{}'", where, result.name);
  require<FileError>(
      !external, "{} lies in another file; export the network again with all its weights in one",
      what);
  try {
    t.shape = engine::Shape(extents);
  } catch (const ShapeError& e) {
    throw FileError(fmt::format("{} has no shape that can be: {}", what, e.what()));
  }
  const std::int64_t count = t.shape.size();
  if (t.type == static_cast<std::int32_t>(OnnxType::float32)) {
    if (raw) t.floats = unpack<float, float>(*raw, count, what);
    require<FileError>(std::ssize(t.floats) == count, "{} has {} of its {} elements", what,
                       t.floats.size(), count);
  } else if (t.type == static_cast<std::int32_t>(OnnxType::int64) || t.type == type_int32) {
    if (raw && t.type == type_int32) {
      t.integers = unpack<std::int32_t, std::int64_t>(*raw, count, what);
    } else if (raw) {
      t.integers = unpack<std::int64_t, std::int64_t>(*raw, count, what);
    }
    require<FileError>(std::ssize(t.integers) == count, "{} has {} of its {} elements", what,
                       t.integers.size(), count);
  }
  return result;
}

void read_attribute(pbf_reader message, OnnxNode& node, const std::string& where) {
  std::string name;
  std::optional<std::int64_t> whole;
  std::optional<float> real;
  std::optional<std::string> string;
  std::optional<OnnxTensor> tensor;
  std::vector<std::int64_t> list;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        name = text(message);
        break;
      case 2:
        real = number(message);
        break;
      case 3:
        whole = integer(message);
        break;
      case 4:
        string = text(message);
        break;
      case 5:
        tensor = read_tensor(inner(message), where).tensor;
        break;
      case 6:
      case 11:
        throw FileError(fmt::format("{}: node '{}' ({}) holds a graph of its own, which isn't read",
                                    where, node.name, node.op));
      case 8:
        append_int64(list, message);
        break;
      default:
        message.skip();
    }
  }
  if (whole) node.integers[name] = *whole;
  if (real) node.floats[name] = *real;
  if (string) node.texts[name] = *string;
  if (tensor) node.tensors[name] = std::move(*tensor);
  if (!list.empty()) node.lists[name] = std::move(list);
}

OnnxNode read_node(pbf_reader message, const std::string& where) {
  OnnxNode node;
  std::vector<pbf_reader> attributes;  // read last, for their errors name the node
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        node.inputs.push_back(text(message));
        break;
      case 2:
        node.outputs.push_back(text(message));
        break;
      case 3:
        node.name = text(message);
        break;
      case 4:
        node.op = text(message);
        break;
      case 5:
        attributes.push_back(inner(message));
        break;
      case 7: {
        const std::string domain = text(message);
        if (!domain.empty() && domain != "ai.onnx") node.op = domain + "." + node.op;
        break;
      }
      default:
        message.skip();
    }
  }
  for (const pbf_reader& attribute : attributes) read_attribute(attribute, node, where);
  return node;
}

OnnxInput read_input(pbf_reader message) {
  OnnxInput input;
  while (message.next()) {
    if (message.tag() == 1) {
      input.name = text(message);
    } else if (message.tag() == 2) {
      pbf_reader type = inner(message);
      while (type.next(1)) {
        pbf_reader tensor = inner(type);
        while (tensor.next()) {
          if (tensor.tag() == 1) {
            input.type = small_integer(tensor);
          } else if (tensor.tag() == 2) {
            pbf_reader shape = inner(tensor);
            while (shape.next(1)) {
              pbf_reader dim = inner(shape);
              std::int64_t extent = -1;
              while (dim.next()) {
                if (dim.tag() == 1) {
                  extent = integer(dim);
                } else {
                  dim.skip();
                }
              }
              input.extents.push_back(extent);
            }
          } else {
            tensor.skip();
          }
        }
      }
    } else {
      message.skip();
    }
  }
  return input;
}

void read_graph(pbf_reader message, OnnxFile& file, const std::string& where) {
  std::vector<OnnxInput> inputs;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        require<FileError>(file.nodes.size() < most_nodes,
                           "{}: more than {} nodes, which no network has", where, most_nodes);
        file.nodes.push_back(read_node(inner(message), where));
        break;
      case 5: {
        NamedTensor constant = read_tensor(inner(message), where);
        file.constants[constant.name] = std::move(constant.tensor);
        break;
      }
      case 11:
        inputs.push_back(read_input(inner(message)));
        break;
      case 12:
        file.outputs.push_back(read_input(inner(message)).name);
        break;
      default:
        message.skip();
    }
  }
  for (OnnxInput& input : inputs) {
    if (!file.constants.contains(input.name)) file.inputs.push_back(std::move(input));
  }
}

void read_model(const std::string& bytes, OnnxFile& file, const std::string& where) {
  pbf_reader message(bytes);
  while (message.next()) {
    switch (message.tag()) {
      case 7:
        read_graph(inner(message), file, where);
        break;
      case 8: {
        pbf_reader set = inner(message);
        std::string domain;
        std::int64_t version = 0;
        while (set.next()) {
          if (set.tag() == 1) {
            domain = text(set);
          } else if (set.tag() == 2) {
            version = integer(set);
          } else {
            set.skip();
          }
        }
        if (domain.empty() || domain == "ai.onnx") file.opset = version;
        break;
      }
      case 14: {
        pbf_reader entry = inner(message);
        std::string key, value;
        while (entry.next()) {
          if (entry.tag() == 1) {
            key = text(entry);
          } else if (entry.tag() == 2) {
            value = text(entry);
          } else {
            entry.skip();
          }
        }
        file.metadata[key] = value;
        break;
      }
      default:
        message.skip();
    }
  }
}

}  // namespace

std::int64_t OnnxNode::integer(const std::string& attribute, std::int64_t otherwise) const {
  const auto found = integers.find(attribute);
  return found == integers.end() ? otherwise : found->second;
}

std::vector<std::int64_t> OnnxNode::list(const std::string& attribute,
                                         const std::vector<std::int64_t>& otherwise) const {
  const auto found = lists.find(attribute);
  return found == lists.end() ? otherwise : found->second;
}

OnnxFile read_onnx(const std::filesystem::path& path) {
  const std::string where = path.string();
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  constexpr std::size_t most_bytes = std::numeric_limits<std::int32_t>::max();
  require<FileError>(error || size <= most_bytes,
                     "{}: it has {} bytes, but an ONNX file holds at most 2 GiB", where, size);
  const std::string bytes = engine::read_file(path, most_bytes);
  OnnxFile file;
  try {
    read_model(bytes, file, where);
  } catch (const protozero::exception& e) {
    throw FileError(
        fmt::format("{}: this is not an ONNX file, or it is damaged ({})", where, e.what()));
  }
  require<FileError>(!file.nodes.empty(), "{}: this is not an ONNX file: it holds no graph", where);
  return file;
}

}  // namespace trifold::nn
