/// From ONNX's nodes to ours.
#pragma once

#include <map>
#include <string>

#include "nn/graph.h"
#include "nn/onnx/onnx_file.h"

namespace trifold::nn {

struct LoweredOnnx {
  Graph graph;  ///< without blocks; its last node gives the file's output
  /// By the names of parameters, in the layouts of model files; their shapes are not yet checked
  /// against the graph.
  std::map<std::string, OnnxTensor> weights;
};

/// See import.h for what is understood.
/// Errors    FileError naming the file: what isn't understood, all of it, with the reasons;
///           a value that nothing makes.
LoweredOnnx lower_onnx(const OnnxFile& file, const std::string& image, const Extent& extent,
                       const std::string& where);

}  // namespace trifold::nn
