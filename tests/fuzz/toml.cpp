/// A configuration file.
#include "apps/cli/config_file.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  fuzz::expect_sentence([&] {
    apps::read_config_file(file.path().string(), {"arch", "batch", "lr", "out"});
  });
  return 0;
}
