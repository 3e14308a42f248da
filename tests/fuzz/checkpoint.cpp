/// A checkpoint of a tiny training. The first line of an input is its run, the second its position;
/// the tensors are right.
#include "engine/safetensors.h"
#include "nn/network.h"
#include "nn/train/trainer.h"
#include "tests/fuzz/input.h"

namespace {

using namespace trifold;

struct Training {
  nn::Network network;
  nn::Dataset data;
  nn::Trainer trainer;
  engine::SafetensorsFile whole;

  static nn::Graph graph() {
    nn::Graph g;
    g.add("input", nn::Input{1}, {});
    g.add("pool", nn::GlobalAvgPool{}, {0});
    g.add("linear", nn::Linear{2}, {1});
    return g;
  }
  static nn::Dataset images() {
    nn::Dataset set;
    set.name = "toy";
    set.count = 4;
    set.height = set.width = 2;
    set.channels = 1;
    set.classes = 2;
    set.pixels.assign(16, 7);
    set.labels = {0, 1, 0, 1};
    return set;
  }
  Training()
      : network(graph()),
        data(images()),
        trainer(network, data, {{0.5f}, {0.5f}}, 2,
                {.epochs = 3, .batch = 2, .schedule = {}, .augmentation = {}}, kernels::Exec{}) {
    const fuzz::InputFile file("");
    const fuzz::InputFolder folder;
    trainer.save(folder.path() / "checkpoint", "{}");
    whole = engine::read_safetensors(folder.path() / "checkpoint");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Training training;
  static const fuzz::InputFolder folder;
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t end = text.find('\n');
  if (end == text.npos) return 0;
  auto metadata = training.whole.metadata;
  if (end > 0) metadata["trifold.run"] = text.substr(0, end);
  if (end + 1 < size) metadata["trifold.position"] = text.substr(end + 1);
  const std::filesystem::path path = folder.path() / "checkpoint";
  fuzz::expect_sentence([&] {
    engine::write_safetensors(path, metadata, training.whole.tensors);
    training.trainer.restore(path);
  });
  return 0;
}
