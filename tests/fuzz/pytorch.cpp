/// A file of torch.save(), or the pickle in one by itself, which begins with its protocol.
#include "nn/io/pytorch_file.h"

#include "nn/io/pickle.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  const std::string_view bytes = fuzz::text_of(data, size);
  fuzz::expect_sentence([&] {
    if (bytes.starts_with('\x80')) {
      nn::unpickle(bytes,
                   {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                    "torch._utils._rebuild_parameter", "torch.Size", "torch.FloatStorage"},
                   "input");
    } else {
      nn::read_pytorch(fuzz::InputFile(bytes).path());
    }
  });
  return 0;
}
