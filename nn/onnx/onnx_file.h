/// What an ONNX file says, as far as networks need it; nothing in it is believed before it is checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/shape.h"

namespace trifold::nn {

/// A constant: floats or integers, as many as its shape says.
struct OnnxTensor {
  engine::Shape shape;
  std::vector<float> floats;           ///< of float32
  std::vector<std::int64_t> integers;  ///< of int64 or int32
  std::int32_t type = 0;               ///< TensorProto.DataType; others than these hold nothing
};

struct OnnxNode {
  std::string op, name;
  std::vector<std::string> inputs, outputs;  ///< "" is an input that is left out
  std::map<std::string, std::int64_t> integers;
  std::map<std::string, float> floats;
  std::map<std::string, std::vector<std::int64_t>> lists;
  std::map<std::string, std::string> texts;
  std::map<std::string, OnnxTensor> tensors;

  std::int64_t integer(const std::string& attribute, std::int64_t otherwise) const;
  std::vector<std::int64_t> list(const std::string& attribute,
                                 const std::vector<std::int64_t>& otherwise) const;
};

/// A value that goes into the graph; -1 is an extent that is not fixed.
struct OnnxInput {
  std::string name;
  std::int32_t type = 0;
  std::vector<std::int64_t> extents;
};

struct OnnxFile {
  std::int64_t opset = 0;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxTensor> constants;
  std::vector<OnnxInput> inputs;  ///< without those that are constants
  std::vector<std::string> outputs;
  std::map<std::string, std::string> metadata;
};

/// Reads a whole file.
/// Errors    FileError naming the file: no such file; more than 2 GiB; no protobuf; a tensor whose
///           values don't fit its shape, or lie in another file; a graph inside a node.
/// Source    onnx/onnx.proto, github.com/onnx/onnx.
OnnxFile read_onnx(const std::filesystem::path& path);

}  // namespace trifold::nn
