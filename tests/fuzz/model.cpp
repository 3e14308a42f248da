/// A model file, from its header to the network.
#include "nn/io/model_file.h"

#include "tests/fuzz/header_mutator.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  fuzz::expect_sentence([&] { nn::load_model(file.path()); });
  const nn::ModelHints hints{
      .arch = "resnet8", .normalisation = nn::Normalisation{{0.5f}, {0.5f}}, .side = 8};
  fuzz::expect_sentence([&] { nn::load_model(file.path(), hints); });
  return 0;
}
