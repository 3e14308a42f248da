/// An ONNX file as it is put together: nodes, constants, inputs and outputs of a graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/shape.h"

namespace trifold::nn {

/// Numbers of ONNX's TensorProto.DataType.
enum class OnnxType : std::int32_t { float32 = 1, uint8 = 2, int64 = 7 };

using OnnxExtents = std::vector<std::int64_t>;

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};

/// Grows by what is added; nothing is checked but the size.
/// Source    onnx/onnx.proto of ONNX 1.12 (IR version 8, opset 17), github.com/onnx/onnx.
class OnnxModel {
 public:
  static constexpr std::int64_t opset = 17, ir_version = 8;

  /// A value that comes in or goes out; -1 is an extent that the user chooses, "N".
  void add_input(const std::string& name, OnnxType type, const OnnxExtents& extents);
  void add_output(const std::string& name, OnnxType type, const OnnxExtents& extents);
  /// A constant. Returns its name.
  std::string add_floats(const std::string& name, const engine::Shape& shape,
                         std::span<const float> values);
  std::string add_integers(const std::string& name, const std::vector<std::int64_t>& values);
  /// A node, which makes the value of its own name. Returns that.
  std::string add_node(const std::string& op, const std::string& name,
                       const std::vector<std::string>& inputs,
                       const std::vector<OnnxAttribute>& attributes = {});
  void add_metadata(const std::string& key, const std::string& value);

  /// The bytes of the file.
  /// Errors    ConfigError: more than protobuf's 2 GiB.
  std::string bytes(const std::string& graph_name) const;

 private:
  void add_value(std::uint32_t field, const std::string& name, OnnxType type,
                 const OnnxExtents& extents);
  void add_tensor(const std::string& name, const engine::Shape& shape, OnnxType type,
                  std::string_view raw);

  std::string graph_;     // of GraphProto, but its name
  std::string metadata_;  // of ModelProto
};

}  // namespace trifold::nn
