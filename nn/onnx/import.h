/// Networks from ONNX files.
#pragma once

#include <filesystem>

#include "engine/safetensors.h"
#include "nn/io/model_file.h"

namespace trifold::nn {

/// A network as its ONNX file describes it.
struct OnnxNetwork {
  Graph graph;
  ModelInfo info;
  engine::SafetensorsFile weights;  ///< as a model file has them
};

/// Lowers an ONNX graph to one of ours. Understood are, on one input (N, channels, side, side):
///   Conv (square windows, equal strides, pads of one size; no dilation), in groups or not,
///   BatchNormalization, Relu, Clip to [0, 6], Sigmoid, HardSigmoid of slope 1/6, HardSwish, Mul of a
///   value by one of the first two of itself (SiLU, HardSwish) or of an image by a factor a channel,
///   Add of two values, Concat along the channels, MaxPool,
///   AveragePool (padding counted), GlobalAveragePool or ReduceMean of the image, Gemm, MatMul with
///   an Add of a constant, Dropout with its rate, Flatten and Reshape of square images to rows, and of
///   the channels Slice, Pad with zeros and Gather (shortcut A); Identity, average pooling with a
///   window of one pixel, and Flatten, Reshape, Squeeze and Unsqueeze behind global pooling change
///   nothing. A Conv of one pixel behind global pooling becomes a linear layer.
/// A batch norm takes over the Add and the Relu that alone read it. Nodes are called by their
/// weights ("layer1.0.conv1" of "layer1.0.conv1.weight"), or as the file calls them.
/// Blocks are found by find_blocks(). Normalisation and classes come from the metadata that to_onnx()
/// writes, or from `hints`.
/// Errors    FileError naming the file: what is damaged; all nodes that aren't understood, in one.
///           HintErrors: side or normalisation that nothing tells.
OnnxNetwork import_onnx(const std::filesystem::path& path, const ModelHints& hints);

}  // namespace trifold::nn
