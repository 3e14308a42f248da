/// A model as an ONNX file, for the programs that deploy it.
#pragma once

#include <string>

#include "nn/model.h"

namespace trifold::nn {

struct OnnxOptions {
  /// Batch norms become part of the convolutions that they alone read, as in FoldedNetwork; the
  /// others stay.
  bool fold = true;
  /// The file takes images as they are, bytes from 0 to 255, (N, side of the data, side of the data,
  /// channels), and resizes and normalises them itself; else it takes what the network sees,
  /// normalised floats (N, channels, side, side).
  bool preprocessing = false;
};

/// The bytes of an ONNX file (opset 17) that computes what the network's inference does, up to
/// rounding: input "images", output "logits" (N, classes), N being the user's choice. Parameters have
/// the names that they have in model files. Its metadata tell what the model file does: arch,
/// classes, mean, std, side, multiply-accumulates, provenance.
/// Errors    ConfigError: preprocessing without a side of the data; more than 2 GiB.
/// Numerics  A resize is a product with the matrix of kernels/resize.h's filter.
std::string to_onnx(const Model& model, const OnnxOptions& options = {});

}  // namespace trifold::nn
