/// CIFAR's binary files; every part of a set is the input, and so are the names of its classes.
#include "nn/data/cifar.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  static const fuzz::InputFolder folder;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  for (const char* name :
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
        "data_batch_5.bin", "test_batch.bin", "train.bin", "test.bin"}) {
    folder.link(name, file);
  }
  // Records end with pixels, names begin with letters: one byte tells which of both an input is.
  for (const char* name : {"batches.meta.txt", "fine_label_names.txt"}) {
    if (size > 0 && data[0] >= 'a') {
      folder.link(name, file);
    } else {
      std::filesystem::remove(folder.path() / name);
    }
  }
  fuzz::expect_sentence([&] { nn::load_cifar10(folder.path(), 1 << 24); });
  fuzz::expect_sentence([&] { nn::load_cifar100(folder.path(), 1 << 24); });
  return 0;
}
