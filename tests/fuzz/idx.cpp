/// IDX files, plain or by gzip: the first two bytes of an input say where the images end and the labels
/// begin.
#include "nn/data/idx.h"

#include <algorithm>

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  if (size < 2) return 0;
  static const fuzz::InputFolder folder;
  const std::string_view text = fuzz::text_of(data + 2, size - 2);
  const std::size_t end = std::min<std::size_t>(data[0] + 256U * data[1], text.size());
  const fuzz::InputFile images(text.substr(0, end)), labels(text.substr(end));
  for (const char* set : {"train", "t10k"}) {
    folder.link(std::string(set) + "-images-idx3-ubyte", images);
    folder.link(std::string(set) + "-labels-idx1-ubyte", labels);
  }
  fuzz::expect_sentence([&] { nn::load_idx(folder.path(), "input", {}, 1 << 24); });
  return 0;
}
