/// A network as an ONNX file.
#include "nn/onnx/import.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  const nn::ModelHints hints{
      .arch = {}, .normalisation = nn::Normalisation{{0.5f}, {0.5f}}, .side = 8};
  fuzz::expect_sentence([&] { nn::import_onnx(file.path(), hints); });
  return 0;
}
