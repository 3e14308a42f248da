/// Writes a model in the forms that other programs read.
#include <fmt/format.h>

#include <string>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/message.h"
#include "apps/cli/model_options.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/io/pytorch_module.h"
#include "nn/onnx/export.h"

using namespace trifold;
using namespace trifold::apps;

namespace {

int run(int argc, char** argv) {
  CommandLine line("export-model", "Writes a model as ONNX, or as a module of PyTorch.",
                   {"export-model --model runs/half/model.safetensors --out half.onnx",
                    "export-model --model runs/half/model.safetensors --out half.onnx "
                    "--with-preprocessing",
                    "export-model --model runs/half/model.safetensors --pytorch half.py"});
  ModelOptions model_options;
  std::string onnx, pytorch;
  bool keep_batch_norm = false;
  nn::OnnxOptions options;
  OptionSet& app = line.app();
  app.add_option("--model", model_options.file, "The model file")->required()->type_name("FILE");
  app.add_option("--out", onnx,
                 "Writes the network there as ONNX, opset 17: images in, logits out, any number of "
                 "images")
      ->type_name("FILE");
  app.add_flag(
      "--with-preprocessing", options.preprocessing,
      "--out: takes bytes (N, height, width, channels) of the data's own size, and resizes "
      "and normalises them itself; else it takes normalised floats (N, channels, side, "
      "side)");
  app.add_flag("--keep-batch-norm", keep_batch_norm,
               "--out: leaves batch norms behind convolutions as they are; else they are folded "
               "into them");
  app.add_option("--pytorch", pytorch,
                 "Writes a Python module there that reads the model file and computes the same")
      ->type_name("FILE");
  model_options.add_to(app);
  if (!line.parse(argc, argv)) return exit_ok;

  require<ConfigError>(!onnx.empty() || !pytorch.empty(), "give --out FILE or --pytorch FILE");
  const nn::Model model = model_options.load();
  options.fold = !keep_batch_norm;
  if (!onnx.empty()) {
    engine::write_file_atomically(onnx, nn::to_onnx(model, options));
    message(fmt::format("network  {}\n", onnx));
  }
  if (!pytorch.empty()) {
    engine::write_file_atomically(pytorch, nn::to_pytorch(model));
    message(fmt::format("module   {}\n", pytorch));
  }
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return run_app([&] { return run(argc, argv); });
}
