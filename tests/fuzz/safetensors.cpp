/// A safetensors file, and every tensor of it as numbers.
#include "engine/safetensors.h"

#include "tests/fuzz/header_mutator.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  fuzz::expect_sentence([&] {
    const engine::SafetensorsFile read = engine::read_safetensors(file.path());
    for (const auto& [name, tensor] : read.tensors) {
      fuzz::expect_sentence([&, &key = name] { read.floats(key); });
      fuzz::expect_sentence([&, &key = name] { read.ints(key); });
    }
  });
  return 0;
}
